use plasma::prelude::*;

#[plasma::table(local_only)]
pub struct Draft {
    pub id: Id<Draft>,
}

#[plasma::table(auth = open)]
pub struct Note {
    pub id: Id<Note>,
    pub draft_id: Id<Draft>,
}

#[plasma::schema(version = "1", tables(Note, Draft))]
pub struct App;

fn main() {}
