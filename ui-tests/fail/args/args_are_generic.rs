#[plasma::args]
pub struct Rename<T> {
    pub title: T,
}

fn main() {}
