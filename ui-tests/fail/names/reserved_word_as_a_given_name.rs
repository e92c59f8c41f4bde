use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(name = "limit")]
    pub most: i32,
}

fn main() {}
