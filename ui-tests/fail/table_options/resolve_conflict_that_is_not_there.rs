use plasma::prelude::*;

#[plasma::table(resolve_conflict = merge)]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
}

fn main() {}
