use plasma::prelude::*;

#[plasma::table(patch(title, ranc))]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
    pub rank: i64,
}

fn main() {}
