//! Two variants of one number.

#[derive(plasma::Column)]
#[column(as = int)]
pub enum Priority {
    Low = 1,
    High = 1,
}

fn main() {}
