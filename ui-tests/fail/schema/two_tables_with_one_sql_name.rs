use plasma::prelude::*;

#[plasma::table(auth = open)]
pub struct Note {
    pub id: Id<Note>,
}

#[plasma::table(name = "NOTE", auth = open)]
pub struct OldNote {
    pub id: Id<OldNote>,
}

#[plasma::schema(version = "1", tables(Note, OldNote))]
pub struct App;

fn main() {}
