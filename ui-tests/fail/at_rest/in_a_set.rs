use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub tags: OrSet<AtRest<String>>,
}

fn main() {}
