use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(index)]
    pub meta: plasma::Json<Vec<String>>,
}

fn main() {}
