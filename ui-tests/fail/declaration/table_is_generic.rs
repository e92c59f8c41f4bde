use plasma::prelude::*;

#[plasma::table]
pub struct Todo<T> {
    pub id: Id<Todo<T>>,
    pub value: T,
}

fn main() {}
