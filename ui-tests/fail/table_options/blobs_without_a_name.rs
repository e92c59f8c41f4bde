use plasma::prelude::*;

#[plasma::table(blobs = "")]
pub struct Todo {
    pub id: Id<Todo>,
    pub scan: plasma::FileRef,
}

fn main() {}
