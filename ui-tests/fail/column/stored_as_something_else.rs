//! A storage there is not.

#[derive(plasma::Column)]
#[column(as = integer)]
pub enum Priority {
    Low = 1,
    High = 2,
}

fn main() {}
