use plasma::prelude::*;

#[plasma::table(name = "users")]
pub struct User {
    pub id: Id<User>,
    pub age: i64,
}

#[plasma::table(check = User::age.gte(0))]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
    pub rank: i64,
}

fn main() {}
