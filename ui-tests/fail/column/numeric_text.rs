//! `numeric` on a newtype of text.

#[derive(plasma::Column)]
#[column(numeric)]
pub struct Email(pub String);

fn main() {}
