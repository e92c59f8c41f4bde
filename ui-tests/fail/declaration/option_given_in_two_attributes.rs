use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(unique)]
    #[column(unique)]
    pub slug: String,
}

fn main() {}
