use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
    #[column(accessor = title)]
    pub headline: String,
}

fn main() {}
