use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(file(max_size = "5"))]
    pub scan: plasma::FileRef,
}

fn main() {}
