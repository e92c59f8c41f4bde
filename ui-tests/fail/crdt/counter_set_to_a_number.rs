use plasma::prelude::*;

#[plasma::table(auth = open)]
pub struct Todo {
    pub id: Id<Todo>,
    pub views: GCounter,
}

fn main() {
    let _ = Todo::views.to(5);
}
