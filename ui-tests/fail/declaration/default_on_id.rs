use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    #[column(default = 1)]
    pub id: Id<Todo>,
}

fn main() {}
