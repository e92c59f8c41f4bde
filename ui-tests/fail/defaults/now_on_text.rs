use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(default = now)]
    pub title: String,
}

fn main() {}
