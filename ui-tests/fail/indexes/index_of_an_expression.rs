use plasma::prelude::*;

#[plasma::table(index(title.lower()))]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
}

fn main() {}
