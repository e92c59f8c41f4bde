use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(on_delete = cascade)]
    pub owner: String,
}

fn main() {}
