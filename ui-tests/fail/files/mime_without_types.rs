use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(file(mime()))]
    pub scan: plasma::FileRef,
}

fn main() {}
