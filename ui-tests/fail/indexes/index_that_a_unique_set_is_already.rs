use plasma::prelude::*;

#[plasma::table(unique(title, rank), index(title, rank))]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
    pub rank: i64,
}

fn main() {}
