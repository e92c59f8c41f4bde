#[plasma::args]
pub struct Rename {
    #[arg(len(200))]
    pub title: String,
}

fn main() {}
