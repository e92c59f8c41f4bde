#[plasma::args]
pub struct Rename {
    #[arg(length(1..=200))]
    pub title: String,
}

fn main() {}
