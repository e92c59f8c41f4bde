use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(uniqe)]
    pub slug: String,
}

fn main() {}
