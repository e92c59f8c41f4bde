//! Notes that only those with the key can read, and what everybody may know about them.

use plasma::prelude::*;
use plasma::{BlindIndex, Conflict, KeyId, Reseal};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub user: String,
}

#[plasma::table(name = "notes")]
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    pub id: Id<Note>,
    pub owner: String,
    pub body: Sealed<String>,
    pub labels: Option<Sealed<Vec<String>>>,
    pub email: Option<BlindIndex>,
    /// What is not sealed, to see that these tests find it.
    pub clear: Option<String>,
}

/// Everybody reads every envelope; the owner writes.
impl Policy<Caller> for Note {
    fn read(_: &Caller) -> Filter<Note> {
        Filter::all()
    }
    fn insert(caller: &Caller) -> Filter<Note> {
        Note::owner.eq(caller.user.as_str()).into()
    }
    fn update(caller: &Caller) -> Filter<Note> {
        Self::insert(caller)
    }
}

/// A title that the last one to write it decides, and the server cannot read.
#[plasma::table(name = "pages", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub id: Id<Page>,
    pub title: Lww<Sealed<String>>,
}

/// Of two who change it, the text stands that the later one had seen.
#[plasma::table(name = "cards", auth = open, resolve_conflict = as_it_was)]
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    pub id: Id<Card>,
    pub body: Sealed<String>,
    #[column(default = 0)]
    pub rank: i64,
}

fn as_it_was(conflict: Conflict<'_, Card>) -> Card {
    let Conflict { base, local, .. } = conflict;
    let body = base.map_or(&local.body, |base| &base.body).clone();
    Card { body, ..local.clone() }
}

#[plasma::schema(
    version = "1",
    ctx = Caller,
    tables(Note, Page, Card),
    mutators(Notes, Pages, Cards, Reseal<App>),
    lock = false
)]
#[derive(Debug)]
pub struct App;

pub type Tx<'a> = plasma::Tx<'a, App>;

#[plasma::args]
#[derive(Debug, Clone)]
pub struct AddNote {
    pub id: Id<Note>,
    #[arg(len(1..=20_000), trim, seal(column = Note::body, row = self.id))]
    pub body: Sealed<String>,
    #[arg(len(..=3), seal(column = Note::labels, row = self.id))]
    pub labels: Option<Sealed<Vec<String>>>,
    pub email: Option<BlindIndex>,
    pub clear: Option<String>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct EditBody {
    pub id: Id<Note>,
    #[arg(seal(column = Note::body, row = self.id))]
    pub body: Sealed<String>,
}

/// Seals with a key of the caller's choice.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct EditWith {
    pub id: Id<Note>,
    pub key: KeyId,
    #[arg(seal(column = Note::body, row = self.id, key = self.key))]
    pub body: Sealed<String>,
}

/// Changes the body of all notes of the caller: envelopes that were sealed for one of them.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct EditAll {
    pub body: Sealed<String>,
}

#[derive(Debug)]
pub struct Notes;

#[plasma::mutators(App)]
impl Notes {
    pub async fn add(tx: &mut Tx<'_>, caller: &Caller, args: AddNote) -> plasma::Result<()> {
        let new = NewNote { owner: caller.user.clone(), body: args.body }.with_id(args.id);
        let more = (Note::labels.to(args.labels), Note::email.to(args.email), Note::clear.to(args.clear));
        tx.insert(new.with(more)).await?;
        Ok(())
    }

    pub async fn edit(tx: &mut Tx<'_>, _: &Caller, args: EditBody) -> plasma::Result<()> {
        tx.update(args.id).set(Note::body.to(args.body)).await
    }

    pub async fn edit_with(tx: &mut Tx<'_>, _: &Caller, args: EditWith) -> plasma::Result<()> {
        tx.update(args.id).set(Note::body.to(args.body)).await
    }

    pub async fn edit_all(tx: &mut Tx<'_>, caller: &Caller, args: EditAll) -> plasma::Result<()> {
        tx.update_where(Note::owner.eq(caller.user.as_str())).set(Note::body.to(args.body)).await?;
        Ok(())
    }
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct AddPage {
    pub id: Id<Page>,
    #[arg(seal(column = Page::title, row = self.id))]
    pub title: Sealed<String>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Retitle {
    pub id: Id<Page>,
    #[arg(seal(column = Page::title, row = self.id))]
    pub title: Sealed<String>,
}

#[derive(Debug)]
pub struct Pages;

#[plasma::mutators(App)]
impl Pages {
    pub async fn add(tx: &mut Tx<'_>, _: &Caller, args: AddPage) -> plasma::Result<()> {
        tx.insert(NewPage { title: args.title.into() }.with_id(args.id)).await?;
        Ok(())
    }

    pub async fn retitle(tx: &mut Tx<'_>, _: &Caller, args: Retitle) -> plasma::Result<()> {
        tx.update(args.id).set(Page::title.write(args.title)).await
    }
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct AddCard {
    pub id: Id<Card>,
    #[arg(seal(column = Card::body, row = self.id))]
    pub body: Sealed<String>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Raise {
    pub id: Id<Card>,
}

#[derive(Debug)]
pub struct Cards;

#[plasma::mutators(App)]
impl Cards {
    pub async fn add(tx: &mut Tx<'_>, _: &Caller, args: AddCard) -> plasma::Result<()> {
        tx.insert(NewCard { body: args.body }.with_id(args.id)).await?;
        Ok(())
    }

    pub async fn raise(tx: &mut Tx<'_>, _: &Caller, args: Raise) -> plasma::Result<()> {
        tx.update(args.id).set(Card::rank.to(Card::rank + 1)).await
    }
}
