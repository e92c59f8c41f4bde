use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(default = )]
    pub done: bool,
}

fn main() {}
