use plasma::prelude::*;

#[plasma::table(nmae = "todos")]
pub struct Todo {
    pub id: Id<Todo>,
}

fn main() {}
