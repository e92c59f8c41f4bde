use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(on_delete = cascde)]
    pub parent_id: Option<Id<Todo>>,
}

fn main() {}
