use plasma::prelude::*;

#[plasma::table(auth = open)]
pub struct Todo {
    pub id: Id<Todo>,
    pub likes: PnCounter,
}

fn main() {
    let _ = Todo::likes.to(Todo::likes);
}
