use plasma::prelude::*;

#[plasma::table(auth = open)]
pub struct Todo {
    pub id: Id<Todo>,
    pub tags: OrSet<String>,
}

fn main() {
    let _ = Todo::tags.add(5);
}
