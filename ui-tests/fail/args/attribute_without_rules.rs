#[plasma::args]
pub struct Rename {
    #[arg]
    pub title: String,
}

fn main() {}
