use plasma::prelude::*;

#[plasma::table(auth = open)]
pub struct Todo {
    pub id: Id<Todo>,
    pub status: Lww<String>,
}

fn main() {
    let _ = Todo::status.to("open");
}
