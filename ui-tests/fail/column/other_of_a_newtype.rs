//! `other` where there are no variants.

#[derive(plasma::Column)]
#[column(other)]
pub struct Email(pub String);

fn main() {}
