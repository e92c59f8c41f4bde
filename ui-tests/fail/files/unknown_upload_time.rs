use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(file(upload = lasy))]
    pub scan: plasma::FileRef,
}

fn main() {}
