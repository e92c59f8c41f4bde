use plasma::prelude::*;

#[plasma::table(patch(id, title))]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
    pub rank: i64,
}

fn main() {}
