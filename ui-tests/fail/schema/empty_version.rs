use plasma::prelude::*;

#[plasma::table(auth = open)]
pub struct Note {
    pub id: Id<Note>,
}

#[plasma::schema(version = "", tables(Note))]
pub struct App;

fn main() {}
