use plasma::prelude::*;

#[plasma::table(unique(title, meta))]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
    pub rank: i64,
    pub meta: plasma::Json<Vec<String>>,
}

fn main() {}
