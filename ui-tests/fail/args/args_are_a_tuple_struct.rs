#[plasma::args]
pub struct Rename(String);

fn main() {}
