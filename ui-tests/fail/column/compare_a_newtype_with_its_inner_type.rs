use plasma::prelude::*;

#[derive(plasma::Column)]
pub struct Email(String);

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub email: Email,
}

fn main() {
    let _ = Todo::select().filter(Todo::email.eq("a@b"));
}
