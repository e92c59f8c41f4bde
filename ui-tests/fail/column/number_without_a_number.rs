//! `as = int` and a variant without its number.

#[derive(plasma::Column)]
#[column(as = int)]
pub enum Priority {
    Low = 1,
    High,
}

fn main() {}
