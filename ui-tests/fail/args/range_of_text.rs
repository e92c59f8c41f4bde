#[plasma::args]
pub struct Rename {
    #[arg(range(1..=200))]
    pub title: String,
}

fn main() {}
