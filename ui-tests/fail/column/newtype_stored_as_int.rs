//! `as` on a newtype.

#[derive(plasma::Column)]
#[column(as = int)]
pub struct Points(pub i32);

fn main() {}
