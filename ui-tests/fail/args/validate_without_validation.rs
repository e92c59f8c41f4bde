#[plasma::args(validate)]
pub struct Rename {
    pub title: String,
}

fn main() {}
