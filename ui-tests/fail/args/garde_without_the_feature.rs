#[plasma::args(garde)]
pub struct Rename {
    pub title: String,
}

fn main() {}
