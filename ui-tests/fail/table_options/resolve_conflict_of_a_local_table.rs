use plasma::prelude::*;

fn merge(conflict: plasma::Conflict<'_, Todo>) -> Todo {
    let _ = conflict;
    unimplemented!()
}

#[plasma::table(local_only, resolve_conflict = merge)]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
}

fn main() {}
