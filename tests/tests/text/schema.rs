//! Notes that several write at once.

use plasma::Result;
use plasma::prelude::*;

/// Who calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller;

/// A note.
#[plasma::table(name = "notes", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    pub id: Id<Note>,
    pub body: Text,
    #[column(default = 0)]
    pub marks: i64,
}

#[plasma::schema(version = "text-1", ctx = Caller, tables(Note), mutators(Notes))]
#[derive(Debug)]
pub struct App;
type Tx<'a> = plasma::Tx<'a, App>;

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Begin {
    pub id: Id<Note>,
    pub text: String,
}

/// Characters `from..to` become the text.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Edit {
    pub id: Id<Note>,
    pub from: u32,
    pub to: u32,
    pub text: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Clear {
    pub id: Id<Note>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Sign {
    pub text: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Mark {
    pub part: String,
    pub pattern: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Restore {
    pub id: Id<Note>,
    pub body: String,
}

#[derive(Debug)]
pub struct Notes;

#[plasma::mutators(App)]
impl Notes {
    pub async fn begin(tx: &mut Tx<'_>, _: &Caller, args: Begin) -> Result<()> {
        tx.insert(NewNote {}.with_id(args.id).with(Note::body.push_str(args.text))).await?;
        Ok(())
    }

    /// The server has a word it does not like.
    pub async fn edit(tx: &mut Tx<'_>, _: &Caller, args: Edit) -> Result<()> {
        if args.text.contains("forbidden") && tx.is_server() {
            return Err(plasma::Error::rejected("forbidden", "not this word"));
        }
        let range = args.from as usize..args.to as usize;
        let change = match (range.is_empty(), args.text.is_empty()) {
            (true, _) => Note::body.insert(range.start, args.text),
            (_, true) => Note::body.delete(range),
            _ => Note::body.replace(range, args.text),
        };
        tx.update(args.id).set(change).await
    }

    /// All there is, when this runs.
    pub async fn clear(tx: &mut Tx<'_>, _: &Caller, args: Clear) -> Result<()> {
        let note = tx.need(args.id).await?;
        tx.update(args.id).set(Note::body.delete(0..note.body.value().chars().count())).await
    }

    pub async fn sign(tx: &mut Tx<'_>, _: &Caller, args: Sign) -> Result<()> {
        tx.update_where(Note::marks.gte(0)).set((Note::body.push_str(" "), Note::body.push_str(args.text))).await?;
        Ok(())
    }

    /// Marks the notes that a query over their texts finds, on either side.
    pub async fn mark(tx: &mut Tx<'_>, _: &Caller, args: Mark) -> Result<()> {
        let found = Note::body.value().contains(&args.part).or(Note::body.value().like(args.pattern));
        tx.update_where(found).set(Note::marks.to(Note::marks + 1)).await?;
        Ok(())
    }

    /// A whole state, as a client gives it.
    pub async fn restore(tx: &mut Tx<'_>, _: &Caller, args: Restore) -> Result<()> {
        let body: Text =
            serde_json::from_str(&args.body).map_err(|error| plasma::Error::validation(error.to_string()))?;
        let note = tx.need(args.id).await?;
        tx.insert(Note { body, ..note }).on_conflict_ignore().await?;
        Ok(())
    }
}
