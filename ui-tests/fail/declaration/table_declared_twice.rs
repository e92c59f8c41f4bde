use plasma::prelude::*;

#[plasma::table(auth = open)]
#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
}

fn main() {}
