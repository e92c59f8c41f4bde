use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(file(mime("image")))]
    pub scan: plasma::FileRef,
}

fn main() {}
