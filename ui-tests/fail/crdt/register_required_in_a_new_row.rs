use plasma::prelude::*;

#[plasma::table(auth = open)]
pub struct Todo {
    pub id: Id<Todo>,
    pub points: i32,
    pub likes: PnCounter,
    pub status: Lww<String>,
    pub tags: OrSet<String>,
}

fn main() {
    let _ = NewTodo { points: 1 };
}
