//! A number that is no literal.

#[derive(plasma::Column)]
#[column(as = int)]
pub enum Priority {
    Low = 1,
    High = 1 + 1,
}

fn main() {}
