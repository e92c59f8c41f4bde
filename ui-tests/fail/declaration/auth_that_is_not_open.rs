use plasma::prelude::*;

#[plasma::table(auth = closed)]
pub struct Todo {
    pub id: Id<Todo>,
}

fn main() {}
