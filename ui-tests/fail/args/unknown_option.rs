#[plasma::args(unchecked)]
pub struct Rename {
    pub title: String,
}

fn main() {}
