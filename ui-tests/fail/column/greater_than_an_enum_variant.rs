use plasma::prelude::*;

#[derive(plasma::Column)]
pub enum Status {
    Open,
    Done,
}

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub status: Status,
}

fn main() {
    let _ = Todo::select().filter(Todo::status.gt(Status::Open));
}
