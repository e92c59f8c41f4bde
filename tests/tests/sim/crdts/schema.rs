//! Notes whose columns several may change at once, and the ledger of what was done to them.

use plasma::Json;
use plasma::crdt::Replica;
use plasma::prelude::*;

#[derive(Debug, Clone, PartialEq)]
pub struct Caller;

#[plasma::table(name = "notes", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    pub id: Id<Note>,
    pub likes: GCounter,
    pub votes: PnCounter,
    pub status: Lww<String>,
    pub tags: OrSet<String>,
}

/// One row per mutation that took effect: what it did, and what its caller saw when it did it.
#[plasma::table(name = "steps", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub id: Id<Step>,
    pub note: String,
    #[column(default = 0)]
    pub likes: i64,
    #[column(default = 0)]
    pub votes: i64,
    pub added: Option<String>,
    pub removed: Option<String>,
    /// Of a removal, the additions of the value that its caller had seen.
    pub seen: Option<Json<Vec<String>>>,
    pub wrote: Option<String>,
    /// Of a write: its caller's clock, the time of the write it had seen, and the server's clock when it ran there.
    #[column(default = 0)]
    pub at: i64,
    #[column(default = 0)]
    pub seen_at: i64,
    pub received: Option<i64>,
    /// Who wrote.
    pub replica: Option<String>,
}

#[plasma::schema(version = "notes-1", ctx = Caller, tables(Note, Step), mutators(Notes))]
#[derive(Debug)]
pub struct App;
type Tx<'a> = plasma::Tx<'a, App>;

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Vote {
    pub step: Id<Step>,
    pub id: Id<Note>,
    pub likes: i32,
    pub votes: i32,
    /// All notes at once.
    pub everywhere: bool,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Write {
    pub step: Id<Step>,
    pub id: Id<Note>,
    pub text: String,
    pub seen_at: i64,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Tag {
    pub step: Id<Step>,
    pub id: Id<Note>,
    pub tag: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Untag {
    pub step: Id<Step>,
    pub id: Id<Note>,
    pub tag: String,
    pub seen: Vec<String>,
}

#[derive(Debug)]
pub struct Notes;

/// The step of a mutation on a note.
fn step(note: Id<Note>) -> NewStep {
    NewStep { note: note.to_string() }
}

#[plasma::mutators(App)]
impl Notes {
    pub async fn vote(tx: &mut Tx<'_>, _: &Caller, args: Vote) -> plasma::Result<()> {
        let count = (Step::likes.to(i64::from(args.likes)), Step::votes.to(i64::from(args.votes)));
        let note = if args.everywhere { "all".to_owned() } else { args.id.to_string() };
        tx.insert(NewStep { note }.with(count).with_id(args.step)).await?;
        let size = args.votes.unsigned_abs();
        let vote = if args.votes < 0 { Note::votes.decrement(size) } else { Note::votes.increment(size) };
        let changes = (Note::likes.increment(args.likes.unsigned_abs()), vote);
        match args.everywhere {
            true => tx.update_where(Note::likes.value().gte(0)).set(changes).await.map(drop),
            false => tx.update(args.id).set(changes).await,
        }
    }

    pub async fn write(tx: &mut Tx<'_>, _: &Caller, args: Write) -> plasma::Result<()> {
        let millis = |at: Timestamp| at.micros() / 1_000;
        let replica = tx.client_id().map(|client| Replica::of_client(client).to_string());
        let times = (Step::at.to(millis(tx.now())), Step::seen_at.to(args.seen_at));
        let by = (Step::replica.to(replica), Step::received.to(tx.received_at().map(millis)));
        let wrote = Step::wrote.to(args.text.clone());
        tx.insert(step(args.id).with((wrote, times, by)).with_id(args.step)).await?;
        tx.update(args.id).set(Note::status.write(args.text)).await
    }

    pub async fn tag(tx: &mut Tx<'_>, _: &Caller, args: Tag) -> plasma::Result<()> {
        tx.insert(step(args.id).with(Step::added.to(args.tag.clone())).with_id(args.step)).await?;
        tx.update(args.id).set(Note::tags.add(args.tag)).await
    }

    pub async fn untag(tx: &mut Tx<'_>, _: &Caller, args: Untag) -> plasma::Result<()> {
        let what = (Step::removed.to(args.tag.clone()), Step::seen.to(Json(args.seen)));
        tx.insert(step(args.id).with(what).with_id(args.step)).await?;
        tx.update(args.id).set(Note::tags.remove(args.tag)).await
    }
}
