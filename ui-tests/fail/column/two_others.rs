//! Two variants stand for all other values.

#[derive(plasma::Column)]
pub enum Status {
    Open,
    #[column(other)]
    Unknown,
    #[column(other)]
    Newer(String),
}

fn main() {}
