//! The passing twin of the mutators and their arguments.

use std::collections::BTreeMap;

use plasma::Schema;
use plasma::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq)]
pub struct Ctx;

#[plasma::table(name = "notes", auth = open)]
pub struct Note {
    pub id: Id<Note>,
    pub text: String,
}

/// A type of the application's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    pub shelf: i32,
}

/// Every rule, and every kind of field.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct AddNote {
    pub id: Id<Note>,
    #[arg(len(1..=200), trim)]
    pub text: String,
    #[arg(email)]
    pub author: Option<String>,
    #[arg(range(1..))]
    pub copies: i32,
    #[arg(len(..=3))]
    pub tags: Vec<String>,
    pub place: Place,
    pub others: Option<Vec<Place>>,
    pub by_name: BTreeMap<String, (Place, i32)>,
    #[serde(default)]
    pub elsewhere: [Option<Place>; 2],
}

#[plasma::args]
pub struct MoveNote {
    pub id: Id<Note>,
    pub text: String,
}

#[plasma::args]
pub struct SweepNotes {}

#[plasma::args]
pub struct ArchiveNotes {}

#[plasma::args]
pub struct PrintArchive {}

pub struct Notes;

#[plasma::mutators(App)]
impl Notes {
    /// A pattern as parameter, a helper, random values.
    pub async fn add(tx: &mut Tx<'_>, ctx: &Ctx, AddNote { id, text, .. }: AddNote) -> plasma::Result<()> {
        let dice = tx.random_below(6) + tx.random::<u64>() % 2 + u64::from(tx.random::<[u8; 2]>()[0]);
        let mut bytes = [0; 3];
        tx.random_bytes(&mut bytes);
        Self::put(tx, ctx, id, format!("{text} {dice} {bytes:?}")).await
    }

    /// A keyword as name: `move` on the wire.
    pub async fn r#move(tx: &mut Tx<'_>, _: &Ctx, args: MoveNote) -> plasma::Result<()> {
        tx.update(args.id).set(Note::text.to(args.text)).await
    }

    #[mutator(server_only, name = "notes.sweep-all")]
    pub async fn sweep(tx: &mut Tx<'_>, _: &Ctx, _: SweepNotes) -> plasma::Result<()> {
        tx.delete_where(Filter::<Note>::all()).await?;
        Ok(())
    }

    async fn put(tx: &mut Tx<'_>, _: &Ctx, id: Id<Note>, text: String) -> plasma::Result<()> {
        tx.insert(NewNote { text }.with_id(id)).await?;
        Ok(())
    }
}

pub struct Archive;

#[plasma::mutators(App, name = "old_notes")]
impl Archive {
    pub async fn fill(_: &mut Tx<'_>, _: &Ctx, _: ArchiveNotes) -> plasma::Result<()> {
        Ok(())
    }

    /// As on a server, with crates that clients do not have.
    #[cfg(any())]
    #[mutator(server_only)]
    pub async fn print(tx: &mut Tx<'_>, _: &Ctx, _: PrintArchive) -> plasma::Result<()> {
        printer::print(tx).await
    }

    #[cfg(all())]
    pub async fn print(_: &mut Tx<'_>, _: &Ctx, _: PrintArchive) -> plasma::Result<()> {
        Ok(())
    }
}

#[plasma::schema(version = "1", ctx = Ctx, tables(Note), mutators(Notes, Archive))]
pub struct App;
type Tx<'a> = plasma::Tx<'a, App>;

fn main() {
    let definition = App::definition();
    let found: Vec<_> = definition.mutators.iter().map(|mutator| (mutator.name, mutator.server_only)).collect();
    let expected = [
        ("notes.add", false),
        ("notes.move", false),
        ("notes.sweep-all", true),
        ("old_notes.fill", false),
        ("old_notes.print", false),
    ];
    assert_eq!(found, expected);
}
