#[derive(plasma::Column)]
pub enum Status {
    Open,
    Blocked(String),
}

fn main() {}
