#[plasma::args]
pub struct Rename {
    #[arg(len(1..=20))]
    #[arg(trim, len(1..=200))]
    pub title: String,
}

fn main() {}
