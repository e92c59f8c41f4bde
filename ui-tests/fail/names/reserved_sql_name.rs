use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(name = "_plasma_seq")]
    pub seq: i64,
}

fn main() {}
