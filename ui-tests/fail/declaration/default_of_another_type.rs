use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(default = "no")]
    pub done: bool,
}

fn main() {}
