use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(file(mime("image/png", "image/PNG")))]
    pub scan: plasma::FileRef,
}

fn main() {}
