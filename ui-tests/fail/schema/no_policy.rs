use plasma::prelude::*;

#[derive(Clone, PartialEq)]
pub struct Ctx;

#[plasma::table]
pub struct Note {
    pub id: Id<Note>,
}

#[plasma::schema(version = "1", ctx = Ctx, tables(Note))]
pub struct App;

fn main() {}
