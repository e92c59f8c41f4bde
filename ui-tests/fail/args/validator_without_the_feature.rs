#[plasma::args(validator)]
pub struct Rename {
    pub title: String,
}

fn main() {}
