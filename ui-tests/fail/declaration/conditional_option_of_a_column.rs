use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[cfg_attr(debug_assertions, column(default = ""))]
    pub note: String,
}

fn main() {}
