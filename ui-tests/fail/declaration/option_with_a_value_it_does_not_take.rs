use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(unique = true)]
    pub slug: String,
}

fn main() {}
