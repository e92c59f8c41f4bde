use plasma::prelude::*;

#[plasma::table(index(titel, rank))]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
    pub rank: i64,
}

fn main() {}
