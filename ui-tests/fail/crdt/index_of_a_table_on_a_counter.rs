use plasma::prelude::*;

#[plasma::table(index(title, likes))]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
    pub likes: GCounter,
}

fn main() {}
