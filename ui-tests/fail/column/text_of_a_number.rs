//! `text` on a newtype of a number.

#[derive(plasma::Column)]
#[column(text)]
pub struct Points(pub i32);

fn main() {}
