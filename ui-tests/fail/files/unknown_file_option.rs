use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(file(maxsize = "5 MiB"))]
    pub scan: plasma::FileRef,
}

fn main() {}
