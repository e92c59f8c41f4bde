use plasma::prelude::*;

#[derive(Clone, PartialEq)]
pub struct Ctx;

#[plasma::table(auth = open)]
pub struct Note {
    pub id: Id<Note>,
}

#[plasma::schema(version = "1", ctx = Ctx, tables(Note), mutators(Notes, Other))]
pub struct App;

type Tx<'a> = plasma::Tx<'a, App>;

#[plasma::args]
pub struct A {}

#[plasma::args]
pub struct B {}

pub struct Notes;

#[plasma::mutators(App)]
impl Notes {
    pub async fn add(_: &mut Tx<'_>, _: &Ctx, _: A) -> plasma::Result<()> {
        Ok(())
    }
}

pub struct Other;

#[plasma::mutators(App, name = "notes")]
impl Other {
    pub async fn add(_: &mut Tx<'_>, _: &Ctx, _: B) -> plasma::Result<()> {
        Ok(())
    }
}

fn main() {}
