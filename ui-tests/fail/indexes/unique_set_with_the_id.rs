use plasma::prelude::*;

#[plasma::table(unique(id, title))]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
}

fn main() {}
