use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub note: Option<Option<String>>,
}

fn main() {}
