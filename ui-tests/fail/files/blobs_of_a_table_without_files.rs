use plasma::prelude::*;

#[plasma::table(blobs = "attachments")]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
}

fn main() {}
