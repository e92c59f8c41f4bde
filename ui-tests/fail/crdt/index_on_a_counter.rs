use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(index)]
    pub likes: PnCounter,
}

fn main() {}
