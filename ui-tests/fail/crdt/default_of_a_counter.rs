use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(default = 5)]
    pub likes: PnCounter,
}

fn main() {}
