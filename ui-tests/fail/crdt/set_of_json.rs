use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub places: OrSet<plasma::Json<Vec<i32>>>,
}

fn main() {}
