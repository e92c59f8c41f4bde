use plasma::prelude::*;

#[plasma::table(name = "users", auth = open)]
pub struct User {
    pub id: Id<User>,
}

#[plasma::table(auth = open)]
pub struct Note {
    pub id: Id<Note>,
    pub author_id: Id<User>,
}

#[plasma::schema(version = "1", tables(Note))]
pub struct App;

fn main() {}
