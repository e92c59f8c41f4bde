use plasma::prelude::*;

#[plasma::table(name = "to\"dos")]
pub struct Todo {
    pub id: Id<Todo>,
}

fn main() {}
