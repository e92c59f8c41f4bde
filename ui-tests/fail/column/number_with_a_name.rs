//! A text for a variant that is stored as a number.

#[derive(plasma::Column)]
#[column(as = int)]
pub enum Priority {
    Low = 1,
    #[column(rename = "high")]
    High = 2,
}

fn main() {}
