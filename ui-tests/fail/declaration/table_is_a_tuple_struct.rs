use plasma::prelude::*;

#[plasma::table]
pub struct Todo(Id<Todo>, String);

fn main() {}
