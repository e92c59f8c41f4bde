//! Notes that two people edit, with a merge that says that it was called.

use plasma::prelude::*;
use plasma::{Conflict, Json, Result};

/// Who calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    pub user: String,
}

/// A note that everybody may edit, unless it is mallory's.
#[plasma::table(name = "notes", resolve_conflict = merge, check = Note::rank.lt(100))]
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    pub id: Id<Note>,
    pub title: String,
    #[column(default = 0)]
    pub rank: i64,
    pub state: State,
    #[column(default = "nobody")]
    pub owner: String,
    #[column(unique)]
    pub slug: Option<String>,
    pub tags: Json<Vec<String>>,
    /// How often this row was merged.
    #[column(default = 0)]
    pub merges: i64,
}

/// An image of a row may hold any text here.
#[derive(Debug, Clone, Copy, PartialEq, plasma::Column)]
pub enum State {
    Open,
    Closed,
}

/// Titles are joined when both sides changed them, tags are a set; a title with a `#` asks for trouble.
fn merge(conflict: Conflict<'_, Note>) -> Note {
    let Conflict { base, local, remote } = conflict;
    let was = base.map(|base| base.title.as_str());
    let title = if local.title == remote.title || was == Some(remote.title.as_str()) {
        local.title.clone()
    } else if was == Some(local.title.as_str()) {
        remote.title.clone()
    } else {
        format!("{} & {}", remote.title, local.title)
    };
    let before = base.map_or(&[][..], |base| &base.tags.0);
    let mut tags: Vec<String> = remote.tags.0.iter().chain(&local.tags.0).cloned().collect();
    tags.retain(|tag| !before.contains(tag) || (local.tags.0.contains(tag) && remote.tags.0.contains(tag)));
    tags.sort();
    tags.dedup();
    let mut merged = Note { title, tags: Json(tags), merges: remote.merges + 1, ..local.clone() };
    match local.title.as_str() {
        "#panic" => panic!("no merge for this"),
        "#steal" => merged.owner = "mallory".to_owned(),
        "#thaw" => merged.slug = Some("thawed".to_owned()),
        "#rank" => merged.rank = 100,
        "#nul" => merged.title = "\0".to_owned(),
        "#id" => merged.id = Id::from_u128(7),
        "#remote" => merged = remote.clone(),
        "#local" => merged = local.clone(),
        _ => {}
    }
    merged
}

impl Policy<Caller> for Note {
    fn read(_: &Caller) -> Filter<Note> {
        Filter::all()
    }
    fn insert(_: &Caller) -> Filter<Note> {
        Filter::all()
    }
    fn update(_: &Caller) -> Filter<Note> {
        Note::owner.ne("mallory").into()
    }
    fn delete(_: &Caller) -> Filter<Note> {
        Filter::all()
    }
    const FROZEN: Columns<Note> = columns!(Note::slug);
}

#[plasma::schema(version = "merge-1", ctx = Caller, tables(Note), mutators(Notes))]
#[derive(Debug)]
pub struct App;
type Tx<'a> = plasma::Tx<'a, App>;

#[plasma::args]
#[derive(Debug, Clone)]
pub struct AddNote {
    pub id: Id<Note>,
    pub title: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Rename {
    pub id: Id<Note>,
    pub title: String,
}

/// All tags of a note, as the user sees them.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct SetTags {
    pub id: Id<Note>,
    pub tags: Vec<String>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct RenameAll {
    pub title: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct PutNote {
    pub id: Id<Note>,
    pub title: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Append {
    pub id: Id<Note>,
    pub text: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Raise {
    pub id: Id<Note>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct RenameTwice {
    pub id: Id<Note>,
    pub first: String,
    pub second: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Replace {
    pub id: Id<Note>,
    pub title: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Audited {
    pub id: Id<Note>,
}

fn new(title: String) -> NewNote {
    NewNote { title, state: State::Open, tags: Json(Vec::new()) }
}

#[derive(Debug)]
pub struct Notes;

#[plasma::mutators(App)]
impl Notes {
    pub async fn add(tx: &mut Tx<'_>, _: &Caller, args: AddNote) -> Result<()> {
        tx.insert(new(args.title).with_id(args.id)).await?;
        Ok(())
    }

    pub async fn rename(tx: &mut Tx<'_>, _: &Caller, args: Rename) -> Result<()> {
        tx.update(args.id).set(Note::title.to(args.title)).await
    }

    pub async fn set_tags(tx: &mut Tx<'_>, _: &Caller, args: SetTags) -> Result<()> {
        tx.update(args.id).set(Note::tags.to(Json(args.tags))).await
    }

    pub async fn rename_all(tx: &mut Tx<'_>, _: &Caller, args: RenameAll) -> Result<()> {
        tx.update_where(Note::owner.eq("nobody")).set(Note::title.to(args.title)).await?;
        Ok(())
    }

    pub async fn put(tx: &mut Tx<'_>, _: &Caller, args: PutNote) -> Result<()> {
        tx.insert(new(args.title.clone()).with_id(args.id)).on_conflict_update(Note::title.to(args.title)).await?;
        Ok(())
    }

    /// Reads what is there.
    pub async fn append(tx: &mut Tx<'_>, _: &Caller, args: Append) -> Result<()> {
        let note = tx.need(args.id).await?;
        tx.update(args.id).set(Note::title.to(format!("{} {}", note.title, args.text))).await
    }

    pub async fn raise(tx: &mut Tx<'_>, _: &Caller, args: Raise) -> Result<()> {
        tx.update(args.id).set(Note::rank.to(Note::rank + 1)).await
    }

    pub async fn rename_twice(tx: &mut Tx<'_>, _: &Caller, args: RenameTwice) -> Result<()> {
        tx.update(args.id).set(Note::title.to(args.first)).await?;
        tx.update(args.id).set(Note::title.to(args.second)).await
    }

    /// Another row under the same id.
    pub async fn replace(tx: &mut Tx<'_>, _: &Caller, args: Replace) -> Result<()> {
        tx.update(args.id).set(Note::title.to("going")).await?;
        tx.delete(args.id).await?;
        tx.insert(new("fresh".to_owned()).with_id(args.id)).await?;
        tx.update(args.id).set(Note::title.to(args.title)).await
    }

    /// What the server does on its own account is no side of a conflict.
    pub async fn audited(tx: &mut Tx<'_>, _: &Caller, args: Audited) -> Result<()> {
        if let Some(mut trusted) = tx.trusted() {
            trusted.update(args.id).set(Note::title.to("audited")).await?;
        }
        Ok(())
    }
}
