use plasma::prelude::*;

#[plasma::table(name = "users")]
pub struct User {
    pub id: Id<User>,
}

#[plasma::table]
pub struct Todo {
    pub id: Id<User>,
}

fn main() {}
