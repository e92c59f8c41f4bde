use plasma::prelude::*;

#[plasma::table(auth = open)]
pub struct Note {
    pub id: Id<Note>,
}

#[plasma::args]
pub struct Add {}

pub struct Notes;

#[plasma::mutators(App)]
impl Notes {
    pub async fn add(_: &mut plasma::Tx<'_, App>, _: &(), _: Add) -> plasma::Result<()> {
        Ok(())
    }
}

#[plasma::schema(version = "1", tables(Note), mutators(Notes, Notes))]
pub struct App;

fn main() {}
