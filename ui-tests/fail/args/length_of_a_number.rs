#[plasma::args]
pub struct Rename {
    #[arg(len(1..=200))]
    pub points: i32,
}

fn main() {}
