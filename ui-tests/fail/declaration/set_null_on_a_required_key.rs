use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(on_delete = set_null)]
    pub parent_id: Id<Todo>,
}

fn main() {}
