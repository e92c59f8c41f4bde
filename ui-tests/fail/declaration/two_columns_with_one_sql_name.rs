use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
    #[column(name = "Title")]
    pub headline: String,
}

fn main() {}
