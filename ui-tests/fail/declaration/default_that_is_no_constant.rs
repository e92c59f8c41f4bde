use plasma::prelude::*;

fn start() -> i32 {
    1
}

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(default = start())]
    pub points: i32,
}

fn main() {}
