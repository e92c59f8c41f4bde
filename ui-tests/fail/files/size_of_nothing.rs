use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(file(max_size = "0 KiB"))]
    pub scan: plasma::FileRef,
}

fn main() {}
