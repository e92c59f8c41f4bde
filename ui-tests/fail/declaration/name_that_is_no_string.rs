use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(name = slug)]
    pub slug: String,
}

fn main() {}
