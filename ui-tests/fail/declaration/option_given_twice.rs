use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(unique, unique)]
    pub slug: String,
}

fn main() {}
