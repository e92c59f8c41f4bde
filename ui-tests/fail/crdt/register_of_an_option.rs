use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub status: Lww<Option<String>>,
}

fn main() {}
