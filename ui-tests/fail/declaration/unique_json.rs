use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(unique)]
    pub meta: plasma::Json<Vec<String>>,
}

fn main() {}
