use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(file(max_size = 5_000_000))]
    pub scan: plasma::FileRef,
}

fn main() {}
