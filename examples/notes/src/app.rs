//! What both sides know: two tables, who may see and change them, and the mutators.

use plasma::prelude::*;
use plasma::{BlindIndex, Reseal};

/// The caller, as mutators and policies see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The people who share their notes and their keys.
    pub circle: String,
}

/// A note. The server sees that there is one, how long its texts are, which notes have a tag in common, and how often
/// it was liked.
#[plasma::table(name = "notes")]
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// Row id.
    pub id: Id<Note>,
    /// Whose it is.
    pub circle: String,
    /// Of two devices that rename it at once, the later one's title stands.
    pub title: Lww<Sealed<String>>,
    /// What it says.
    pub body: Sealed<String>,
    /// A keyed hash of each tag: tags that two devices add at once are both there.
    pub tags: OrSet<BlindIndex>,
    /// Every like counts, wherever it was given.
    pub likes: GCounter,
}

/// The name of a tag: notes have its keyed hash only.
#[plasma::table(name = "tags", unique(circle, label))]
#[derive(Debug, Clone, PartialEq)]
pub struct Tag {
    /// Row id.
    pub id: Id<Tag>,
    /// Whose it is.
    pub circle: String,
    /// The keyed hash.
    pub label: BlindIndex,
    /// The tag.
    pub name: Sealed<String>,
}

/// The schema. Both sides are opened with it. `Reseal` is the library's mutator that replaces envelopes when keys change.
#[plasma::schema(version = "notes-1", ctx = Caller, tables(Note, Tag), mutators(Notes, Reseal<App>))]
#[derive(Debug)]
pub struct App;

/// The transaction a mutator runs in. No key can be reached from it.
pub type Tx<'a> = plasma::Tx<'a, App>;

macro_rules! of_the_circle {
    ($($table:ident),*) => {$(
        impl Policy<Caller> for $table {
            fn read(caller: &Caller) -> Filter<$table> {
                $table::circle.eq(caller.circle.as_str()).into()
            }
            fn insert(caller: &Caller) -> Filter<$table> {
                Self::read(caller)
            }
            fn update(caller: &Caller) -> Filter<$table> {
                Self::read(caller)
            }
            fn delete(caller: &Caller) -> Filter<$table> {
                Self::read(caller)
            }
            const FROZEN: Columns<$table> = columns!($table::circle);
        }
    )*};
}
of_the_circle!(Note, Tag);

/// Writes a note. Callers give `PlainAddNote`, with texts in the clear, which is sealed before anything is stored.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct AddNote {
    /// The new row, from `client.new_id()`.
    pub id: Id<Note>,
    /// 1..=200 characters.
    #[arg(len(1..=200), trim, seal(column = Note::title, row = self.id))]
    pub title: Sealed<String>,
    /// At most 20,000 characters.
    #[arg(len(..=20_000), seal(column = Note::body, row = self.id))]
    pub body: Sealed<String>,
}

/// Gives a note another title.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Rename {
    /// The note.
    pub id: Id<Note>,
    /// 1..=200 characters.
    #[arg(len(1..=200), trim, seal(column = Note::title, row = self.id))]
    pub title: Sealed<String>,
}

/// Gives a note another text.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Edit {
    /// The note.
    pub id: Id<Note>,
    /// At most 20,000 characters.
    #[arg(len(..=20_000), seal(column = Note::body, row = self.id))]
    pub body: Sealed<String>,
}

/// Puts a tag on a note.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct AddTag {
    /// The note.
    pub note: Id<Note>,
    /// A row for the tag, from `client.new_id()`, if it has none yet.
    pub id: Id<Tag>,
    /// Its keyed hash.
    pub label: BlindIndex,
    /// 1..=50 characters.
    #[arg(len(1..=50), trim, seal(column = Tag::name, row = self.id))]
    pub name: Sealed<String>,
}

/// Takes a tag off a note.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct RemoveTag {
    /// The note.
    pub note: Id<Note>,
    /// The tag's keyed hash.
    pub label: BlindIndex,
}

/// Likes a note once more.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Like {
    /// The note.
    pub note: Id<Note>,
}

/// Removes a note.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct RemoveNote {
    /// The note.
    pub note: Id<Note>,
}

/// The mutators. They run on the server too, on envelopes: none of them knows what a note says.
#[derive(Debug)]
pub struct Notes;

#[plasma::mutators(App)]
impl Notes {
    /// `notes.add`
    pub async fn add(tx: &mut Tx<'_>, caller: &Caller, args: AddNote) -> plasma::Result<()> {
        let new = NewNote { circle: caller.circle.clone(), title: args.title.into(), body: args.body };
        tx.insert(new.with_id(args.id)).await?;
        Ok(())
    }

    /// `notes.rename`
    pub async fn rename(tx: &mut Tx<'_>, _: &Caller, args: Rename) -> plasma::Result<()> {
        tx.update(args.id).set(Note::title.write(args.title)).await
    }

    /// `notes.edit`
    pub async fn edit(tx: &mut Tx<'_>, _: &Caller, args: Edit) -> plasma::Result<()> {
        tx.update(args.id).set(Note::body.to(args.body)).await
    }

    /// `notes.add_tag`
    pub async fn add_tag(tx: &mut Tx<'_>, caller: &Caller, args: AddTag) -> plasma::Result<()> {
        let tag = NewTag { circle: caller.circle.clone(), label: args.label.clone(), name: args.name };
        // Another device may have named it first.
        tx.insert(tag.with_id(args.id)).on_conflict_ignore().await?;
        tx.update(args.note).set(Note::tags.add(args.label)).await
    }

    /// `notes.remove_tag`
    pub async fn remove_tag(tx: &mut Tx<'_>, _: &Caller, args: RemoveTag) -> plasma::Result<()> {
        tx.update(args.note).set(Note::tags.remove(args.label)).await
    }

    /// `notes.like`
    pub async fn like(tx: &mut Tx<'_>, _: &Caller, args: Like) -> plasma::Result<()> {
        tx.update(args.note).set(Note::likes.increment(1)).await
    }

    /// `notes.remove`
    pub async fn remove(tx: &mut Tx<'_>, _: &Caller, args: RemoveNote) -> plasma::Result<()> {
        tx.delete(args.note).await
    }
}
