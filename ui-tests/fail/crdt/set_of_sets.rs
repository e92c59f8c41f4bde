use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub groups: OrSet<OrSet<String>>,
}

fn main() {}
