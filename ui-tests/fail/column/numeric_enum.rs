//! `numeric` on an enum.

#[derive(plasma::Column)]
#[column(numeric)]
pub enum Status {
    Open,
}

fn main() {}
