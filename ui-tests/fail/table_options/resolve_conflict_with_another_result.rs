use plasma::prelude::*;

fn merge(conflict: plasma::Conflict<'_, Todo>) -> String {
    let _ = conflict;
    unimplemented!()
}

#[plasma::table(resolve_conflict = merge)]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
}

fn main() {}
