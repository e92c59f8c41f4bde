use plasma::prelude::*;

#[plasma::table(auth = open)]
pub struct Todo {
    pub id: Id<Todo>,
    pub body: plasma::crdt::Text,
}

fn main() {
    let _ = Todo::body.to("Dear all");
}
