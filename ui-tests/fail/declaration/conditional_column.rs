use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[cfg(debug_assertions)]
    pub note: String,
}

fn main() {}
