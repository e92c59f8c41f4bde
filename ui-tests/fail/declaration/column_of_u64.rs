use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub count: u64,
}

fn main() {}
