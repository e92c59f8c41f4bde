use plasma::prelude::*;

#[derive(plasma::Column)]
pub struct Likes(GCounter);

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub likes: Likes,
}

fn main() {}
