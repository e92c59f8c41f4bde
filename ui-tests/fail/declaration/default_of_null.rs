use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(default = None)]
    pub note: Option<String>,
}

fn main() {}
