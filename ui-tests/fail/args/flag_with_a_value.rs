#[plasma::args]
pub struct Rename {
    #[arg(trim = true)]
    pub title: String,
}

fn main() {}
