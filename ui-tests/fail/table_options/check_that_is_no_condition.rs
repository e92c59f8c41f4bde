use plasma::prelude::*;

#[plasma::table(check = Todo::title)]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
    pub rank: i64,
}

fn main() {}
