use plasma::prelude::*;

#[plasma::table(auth = open)]
pub struct Note {
    pub id: Id<Note>,
}

#[plasma::table(name = "NOTE", auth = open)]
pub struct Other {
    pub id: Id<Other>,
}

#[plasma::schema(version = "1", tables(Note, Other))]
pub struct App;

fn main() {}
