//! A number that is no `i32`.

#[derive(plasma::Column)]
#[column(as = int)]
#[repr(i64)]
pub enum Priority {
    Low = 1,
    High = 3_000_000_000,
}

fn main() {}
