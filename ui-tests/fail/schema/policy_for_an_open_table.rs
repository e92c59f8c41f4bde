use plasma::prelude::*;

#[derive(Clone, PartialEq)]
pub struct Ctx;

#[plasma::table(auth = open)]
pub struct Note {
    pub id: Id<Note>,
}

impl Policy<Ctx> for Note {
    fn read(_: &Ctx) -> Filter<Note> {
        Filter::all()
    }
}

fn main() {}
