use plasma::prelude::*;

#[plasma::table(check = "rank >= 0")]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
    pub rank: i64,
}

fn main() {}
