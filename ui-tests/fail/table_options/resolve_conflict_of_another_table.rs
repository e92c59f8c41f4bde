use plasma::prelude::*;

#[plasma::table(name = "users")]
pub struct User {
    pub id: Id<User>,
    pub age: i64,
}

fn merge(conflict: plasma::Conflict<'_, User>) -> User {
    let _ = conflict;
    unimplemented!()
}

#[plasma::table(resolve_conflict = merge)]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
}

fn main() {}
