use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(on_update = LATER)]
    pub at: Timestamp,
}

fn main() {}
