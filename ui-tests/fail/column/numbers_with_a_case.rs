//! A case for variants that are stored as numbers.

#[derive(plasma::Column)]
#[column(as = int, rename_all = "kebab-case")]
pub enum Priority {
    Low = 1,
    High = 2,
}

fn main() {}
