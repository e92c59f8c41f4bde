#[plasma::args]
pub enum Change {
    Title(String),
    Done,
}

fn main() {}
