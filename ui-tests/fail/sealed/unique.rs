use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(unique)]
    pub email: Sealed<String>,
}

fn main() {}
