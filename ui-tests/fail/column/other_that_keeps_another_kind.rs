//! Unknown texts kept in a number.

#[derive(plasma::Column)]
pub enum Status {
    Open,
    #[column(other)]
    Other(i64),
}

fn main() {}
