use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(unique, index)]
    pub title: String,
}

fn main() {}
