//! The variant for other values keeps two.

#[derive(plasma::Column)]
pub enum Status {
    Open,
    #[column(other)]
    Other(String, String),
}

fn main() {}
