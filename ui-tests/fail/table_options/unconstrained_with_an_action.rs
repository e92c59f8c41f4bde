use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(unconstrained, on_delete = cascade)]
    pub parent_id: Id<Todo>,
}

fn main() {}
