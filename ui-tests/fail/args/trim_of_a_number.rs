#[plasma::args]
pub struct Rename {
    #[arg(trim)]
    pub points: i32,
}

fn main() {}
