use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(on_update = now)]
    pub rank: i64,
}

fn main() {}
