use plasma::prelude::*;

#[plasma::table]
pub struct User {
    pub id: Id<User>,
}

#[plasma::table]
pub struct Todo {
    pub id: Id<User>,
}

fn main() {}
