use plasma::prelude::*;

#[plasma::table(patch)]
pub struct Todo {
    pub id: Id<Todo>,
}

fn main() {}
