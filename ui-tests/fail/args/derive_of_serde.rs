#[plasma::args]
#[derive(serde::Serialize)]
pub struct Rename {
    pub title: String,
}

fn main() {}
