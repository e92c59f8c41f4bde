//! Encrypted notes: the server stores, shares and deletes what it cannot read.
//!
//! Encrypted columns are not part of the library yet, so envelopes are plain bytes here and the application seals and
//! opens them itself ([`seal`] stands for a cipher). What is shown is everything around them: keys that are wrapped for
//! each reader, shares with rights, tags by keyed hash, versions, a bin, and what the server can know.

use std::collections::BTreeMap;

use plasma::client::Client;
use plasma::prelude::*;
use plasma::query::Select;
use plasma::server::Server;
use plasma::{Error, FileRef};

use super::{Application, Place, device, named, refused, rejected, server, sync};

/// Text that only holders of the key can read. No cipher: it stands for one.
fn seal(key: u8, text: &str) -> Vec<u8> {
    text.bytes().map(|byte| byte ^ key).collect()
}

fn open(key: u8, envelope: &[u8]) -> String {
    String::from_utf8(envelope.iter().map(|byte| byte ^ key).collect()).expect("the right key")
}

/// A keyed hash: equal words are found without being told.
fn blind(key: u8, word: &str) -> String {
    word.bytes().fold(u64::from(key) + 7, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into())).to_string()
}

#[plasma::table(name = "users", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    pub id: Id<User>,
    pub public_key: Vec<u8>,
}

#[plasma::table(name = "notes", check = Note::revision.gte(1))]
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    pub id: Id<Note>,
    pub owner_id: Id<User>,
    /// Which generation of the note's key the envelopes are under.
    #[column(default = 1)]
    pub key_epoch: i32,
    pub title: Vec<u8>,
    pub body: Vec<u8>,
    #[column(default = 1)]
    pub revision: i64,
    pub trashed_at: Option<Timestamp>,
    #[column(default = now, on_update = now)]
    pub updated_at: Timestamp,
}

/// Somebody may read a note: the note's key, wrapped for them. One for each reader and generation.
#[plasma::table(name = "grants", unique(note_id, reader_id))]
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    pub id: Id<Grant>,
    #[column(on_delete = cascade)]
    pub note_id: Id<Note>,
    #[column(on_delete = cascade)]
    pub reader_id: Id<User>,
    /// Of the note, said again, so that rules of notes and of grants do not ask each other in a circle.
    pub owner_id: Id<User>,
    #[column(default = false)]
    pub may_write: bool,
    pub wrapped_key: Vec<u8>,
}

/// A tag of a note as one reader has it, by keyed hash.
#[plasma::table(name = "tags", unique(note_id, owner_id, word), index(owner_id, word))]
#[derive(Debug, Clone, PartialEq)]
pub struct Tag {
    pub id: Id<Tag>,
    #[column(on_delete = cascade)]
    pub note_id: Id<Note>,
    pub owner_id: Id<User>,
    pub word: String,
}

/// What a note was.
#[plasma::table(name = "versions", unique(note_id, revision))]
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    pub id: Id<Version>,
    #[column(on_delete = cascade)]
    pub note_id: Id<Note>,
    pub revision: i64,
    pub body: Vec<u8>,
    #[column(file(max_size = "20 MiB", mime("application/octet-stream"), immutable, upload = lazy))]
    pub attachment: Option<FileRef>,
}

type Me = Id<User>;

fn mine_or_granted(me: &Me, writing: bool) -> Filter<Note> {
    let granted = Grant::reader_id.eq(*me);
    let granted = if writing { Filter::from(granted.and(Grant::may_write)) } else { granted.into() };
    Filter::from(Note::owner_id.eq(*me)).or(Grant::note_id.any(granted))
}

impl Policy<Me> for Note {
    fn read(me: &Me) -> Filter<Note> {
        mine_or_granted(me, false)
    }
    fn insert(me: &Me) -> Filter<Note> {
        Note::owner_id.eq(*me).into()
    }
    fn update(me: &Me) -> Filter<Note> {
        mine_or_granted(me, true)
    }
    fn delete(me: &Me) -> Filter<Note> {
        Self::insert(me)
    }
    const FROZEN: Columns<Note> = columns!(Note::owner_id);
}
impl Policy<Me> for Grant {
    fn read(me: &Me) -> Filter<Grant> {
        Filter::from(Grant::reader_id.eq(*me)).or(Grant::owner_id.eq(*me))
    }
    /// The owner of the note, and no other, gives it to somebody; the column that says so again must be true.
    fn insert(me: &Me) -> Filter<Grant> {
        Filter::from(Grant::owner_id.eq(*me)).and(Grant::note_id.has(Note::owner_id.eq(*me)))
    }
    fn update(me: &Me) -> Filter<Grant> {
        Self::insert(me)
    }
    fn delete(me: &Me) -> Filter<Grant> {
        Self::read(me)
    }
}
impl Policy<Me> for Tag {
    fn read(me: &Me) -> Filter<Tag> {
        Tag::owner_id.eq(*me).into()
    }
    fn insert(me: &Me) -> Filter<Tag> {
        Self::read(me).and(Tag::note_id.has(mine_or_granted(me, false)))
    }
    fn delete(me: &Me) -> Filter<Tag> {
        Self::read(me)
    }
}
impl Policy<Me> for Version {
    fn read(me: &Me) -> Filter<Version> {
        Version::note_id.has(mine_or_granted(me, false)).into()
    }
    fn insert(me: &Me) -> Filter<Version> {
        Version::note_id.has(mine_or_granted(me, true)).into()
    }
}

#[plasma::schema(version = "notes-1", ctx = Me, tables(User, Note, Grant, Tag, Version), mutators(Notes), lock = false)]
pub struct App;
type Tx<'a> = plasma::Tx<'a, App>;

impl Application for App {
    fn caller(name: &str) -> Me {
        named(name)
    }
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Publish {
    #[arg(len(1..=64))]
    pub public_key: Vec<u8>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Write {
    pub id: Id<Note>,
    pub title: Vec<u8>,
    #[arg(len(..=100_000))]
    pub body: Vec<u8>,
    /// What the writer saw: a merge of envelopes is not possible, so the second of two writers is told.
    pub revision: Option<i64>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Share {
    pub note: Id<Note>,
    pub with: Id<User>,
    pub wrapped_key: Vec<u8>,
    pub may_write: bool,
}

/// Takes a note back from somebody: new envelopes under a new key, and the new key wrapped for everybody who stays.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Rekey {
    pub note: Id<Note>,
    pub without: Id<User>,
    pub title: Vec<u8>,
    pub body: Vec<u8>,
    pub keys: BTreeMap<String, Vec<u8>>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct SetTags {
    pub note: Id<Note>,
    #[arg(len(..=20))]
    pub words: Vec<String>,
}

/// Into the bin, or out of it: the same arguments the other way round undo it.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Trash {
    pub note: Id<Note>,
    pub trashed: bool,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct EmptyBin {
    pub before: Timestamp,
}

pub struct Notes;

#[plasma::mutators(App)]
impl Notes {
    pub async fn publish(tx: &mut Tx<'_>, me: &Me, args: Publish) -> plasma::Result<()> {
        let key = User::public_key.to(args.public_key.clone());
        tx.insert(NewUser { public_key: args.public_key }.with_id(*me)).on_conflict_update(key).await?;
        Ok(())
    }

    pub async fn write(tx: &mut Tx<'_>, me: &Me, args: Write) -> plasma::Result<()> {
        let Write { id, title, body, revision } = args;
        let Some(seen) = revision else {
            tx.insert(NewNote { owner_id: *me, title, body }.with_id(id)).await?;
            return Ok(());
        };
        let before = tx.need(id).await?;
        if before.revision != seen {
            return Err(Error::rejected("stale", "somebody wrote it since").with_data(before.revision.into()));
        }
        let version = NewVersion { note_id: id, revision: before.revision, body: before.body };
        tx.insert(version.with_id(Id::derive((id, before.revision)))).await?;
        tx.update(id).set((Note::title.to(title), Note::body.to(body), Note::revision.to(Note::revision + 1i64))).await
    }

    pub async fn share(tx: &mut Tx<'_>, me: &Me, args: Share) -> plasma::Result<()> {
        let Share { note, with, wrapped_key, may_write } = args;
        let again = (Grant::wrapped_key.to(wrapped_key.clone()), Grant::may_write.to(may_write));
        let new = NewGrant { note_id: note, reader_id: with, owner_id: *me, wrapped_key };
        tx.insert(new.with(Grant::may_write.to(may_write)).with_id(Id::derive((note, with))))
            .on_conflict_update(again)
            .await?;
        Ok(())
    }

    pub async fn rekey(tx: &mut Tx<'_>, _: &Me, args: Rekey) -> plasma::Result<()> {
        let Rekey { note, without, title, body, keys } = args;
        tx.delete_where(Grant::note_id.eq(note).and(Grant::reader_id.eq(without))).await?;
        let staying = tx.all(Grant::select().filter(Grant::note_id.eq(note))).await?;
        for grant in staying {
            let key = keys.get(&grant.reader_id.to_string()).cloned();
            let key = key.ok_or_else(|| Error::rejected("no-key", "a reader would be left without a key"))?;
            tx.update(grant.id).set(Grant::wrapped_key.to(key)).await?;
        }
        // The history is under the old key: it goes.
        let note = tx
            .update(note)
            .set((Note::title.to(title), Note::body.to(body)))
            .set(Note::key_epoch.to(Note::key_epoch + 1))
            .returning()
            .await?;
        if let Some(mut server) = tx.trusted() {
            server.delete_where(Version::note_id.eq(note.id)).await?;
        }
        Ok(())
    }

    /// A set as a whole: what is no longer in it goes, what is there stays.
    pub async fn set_tags(tx: &mut Tx<'_>, me: &Me, SetTags { note, words }: SetTags) -> plasma::Result<()> {
        let mine = Tag::note_id.eq(note).and(Tag::owner_id.eq(*me));
        tx.delete_where(mine.and(Tag::word.is_not_in(words.iter()))).await?;
        for word in words {
            let id = Id::derive((note, *me, word.as_str()));
            tx.insert(NewTag { note_id: note, owner_id: *me, word }.with_id(id)).on_conflict_ignore().await?;
        }
        Ok(())
    }

    pub async fn trash(tx: &mut Tx<'_>, _: &Me, Trash { note, trashed }: Trash) -> plasma::Result<()> {
        let at = trashed.then(|| tx.now());
        tx.update(note).set(Note::trashed_at.to(at)).await
    }

    #[mutator(server_only)]
    pub async fn empty_bin(tx: &mut Tx<'_>, _: &Me, args: EmptyBin) -> plasma::Result<()> {
        let Some(mut server) = tx.trusted() else { return Ok(()) };
        server.delete_where(Note::trashed_at.lte(args.before)).await?;
        Ok(())
    }
}

/// What a list shows: not the bin; with all of these tags, newest first.
fn list(me: Id<User>, words: &[String]) -> Select<Note> {
    let tagged = |word: &String| Tag::note_id.any(Tag::owner_id.eq(me).and(Tag::word.eq(word)));
    let query = Note::select().filter(Note::trashed_at.is_null()).order_by(Note::updated_at.desc());
    words.iter().fold(query, |query, word| query.filter(tagged(word)))
}

async fn people(server: &Server<App>) -> plasma::Result<[Client<App>; 3]> {
    let people = [device(server, "ann").await, device(server, "bob").await, device(server, "eve").await];
    for (number, person) in (1..).zip(&people) {
        person.mutate(Publish { public_key: vec![number] }).await?;
    }
    sync(&people.each_ref()).await;
    Ok(people)
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn notes_are_shared_taken_back_and_tagged(place: Place) -> plasma::Result<()> {
    let Some(server) = server::<App>(place).await else { return Ok(()) };
    let [ann, bob, eve] = people(&server).await?;
    let (a, b, e) = (named::<User>("ann"), named::<User>("bob"), named::<User>("eve"));
    let (key, note) = (0x5a, ann.new_id::<Note>());
    let write = |text: &str, revision| Write { id: note, title: seal(key, "plan"), body: seal(key, text), revision };
    ann.mutate(write("top secret", None)).await?;
    let wrap = |with, wrapped: u8, may_write| Share { note, with, wrapped_key: vec![wrapped], may_write };
    ann.mutate(wrap(b, key, true)).await?;
    ann.mutate(wrap(e, key, false)).await?;
    sync(&[&ann, &bob, &eve]).await;

    // A reader opens it by the key that was wrapped for them; the key and the note come in one query.
    let with_keys = Grant::select().filter(Grant::reader_id.eq(b)).with_one(Grant::note_id);
    let (grant, read) = bob.one(with_keys).await?;
    assert_eq!(open(grant.wrapped_key[0], &read.body), "top secret");
    // The server has bytes, and finds nothing in them.
    let stored = server.db().trusted().need(note).await?;
    assert_ne!(stored.body, b"top secret");

    // Two writers of one revision: the second is told. Eve may only read.
    ann.mutate(write("version two", Some(1))).await?;
    bob.mutate(write("another two", Some(1))).await?;
    sync(&[&ann, &bob]).await;
    assert_eq!(rejected(&bob).await, ["stale"]);
    assert_eq!((open(key, &bob.need(note).await?.body), bob.need(note).await?.revision), ("version two".into(), 2));
    let history = Version::select().filter(Version::note_id.eq(note)).project((Version::revision, Version::body));
    assert_eq!(bob.all(history).await?, [(1, seal(key, "top secret"))]);
    eve.pull_once().await?;
    assert_eq!(refused(&eve, write("mine now", Some(2))).await, "unauthorized");
    // Nobody gives on what is not theirs, whatever they write into the row.
    assert_eq!(refused(&eve, Share { note, with: e, wrapped_key: vec![key], may_write: true }).await, "unauthorized");

    // Tags are one's own, by keyed hash.
    let words: Vec<String> = ["work", "2026"].iter().map(|word| blind(key, word)).collect();
    ann.mutate(SetTags { note, words: words.clone() }).await?;
    ann.mutate(SetTags { note, words: words.clone() }).await?;
    sync(&[&ann, &bob]).await;
    assert_eq!(
        (ann.count(list(a, &words)).await?, bob.count(list(b, &words)).await?, bob.count(Tag::select()).await?),
        (1, 0, 0)
    );
    ann.mutate(SetTags { note, words: words[..1].to_vec() }).await?;
    assert_eq!((ann.count(list(a, &words)).await?, ann.count(list(a, &words[..1])).await?), (0, 1));

    // Taken back from Eve: a new key, and the note leaves her device.
    let (title, body) = (seal(0x33, "plan"), seal(0x33, "without eve"));
    let rekey = Rekey { note, without: e, title, body, keys: BTreeMap::new() };
    assert_eq!(ann.mutate(rekey.clone()).await.expect_err("bob has no key").code(), "no-key");
    ann.mutate(Rekey { keys: BTreeMap::from([(b.to_string(), vec![0x33])]), ..rekey }).await?;
    sync(&[&ann, &bob, &eve]).await;
    assert_eq!(
        (eve.count(Note::select()).await?, eve.count(Grant::select()).await?, eve.count(Version::select()).await?),
        (0, 0, 0)
    );
    let (grant, read) = bob.one(Grant::select().with_one(Grant::note_id)).await?;
    assert_eq!(
        (open(grant.wrapped_key[0], &read.body), read.key_epoch, bob.count(Version::select()).await?),
        ("without eve".into(), 2, 0)
    );

    // The bin, and back, and the end.
    bob.mutate(Trash { note, trashed: true }).await?;
    assert_eq!(bob.count(list(b, &[])).await?, 0);
    bob.mutate(Trash { note, trashed: false }).await?;
    bob.mutate(Trash { note, trashed: true }).await?;
    sync(&[&bob, &ann]).await;
    let later = Timestamp::from_millis(i64::from(u32::MAX) * 1_000);
    server.invoke(EmptyBin { before: later }).as_ctx(&a).key("bin").await?;
    sync(&[&ann, &bob]).await;
    assert_eq!(
        (ann.count(Note::select()).await?, ann.count(Tag::select()).await?, bob.count(Grant::select()).await?),
        (0, 0, 0)
    );
    Ok(())
}
