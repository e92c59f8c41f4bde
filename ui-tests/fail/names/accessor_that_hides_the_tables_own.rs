use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(accessor = DEF)]
    pub def: i32,
}

fn main() {}
