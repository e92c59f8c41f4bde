use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub tags: OrSet<Option<String>>,
}

fn main() {}
