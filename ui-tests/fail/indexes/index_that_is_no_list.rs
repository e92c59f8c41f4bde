use plasma::prelude::*;

#[plasma::table(index = title)]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
}

fn main() {}
