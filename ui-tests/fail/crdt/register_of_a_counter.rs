use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub likes: Lww<GCounter>,
}

fn main() {}
