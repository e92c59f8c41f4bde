use plasma::prelude::*;

#[plasma::table(auth = open)]
pub struct Note {
    pub id: Id<Note>,
}

pub struct Notes;

#[plasma::schema(version = "1", tables(Note), mutators(Notes))]
pub struct App;

fn main() {}
