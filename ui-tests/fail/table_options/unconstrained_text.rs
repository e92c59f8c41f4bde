use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(unconstrained)]
    pub title: String,
}

fn main() {}
