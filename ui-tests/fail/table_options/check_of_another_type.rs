use plasma::prelude::*;

#[plasma::table(check = Todo::rank.gte("a"))]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
    pub rank: i64,
}

fn main() {}
