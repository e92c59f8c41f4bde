#[plasma::args]
pub struct Rate {
    #[arg(range(..=5.0))]
    pub stars: i32,
}

fn main() {}
