#[plasma::table]
pub struct Todo {
    pub title: String,
}

fn main() {}
