//! A text for the variant of all other texts.

#[derive(plasma::Column)]
pub enum Status {
    Open,
    #[column(other, rename = "unknown")]
    Unknown,
}

fn main() {}
