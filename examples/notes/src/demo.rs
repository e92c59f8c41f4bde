//! The story: two devices write, meet, change their key, and look at what the server knows.

use std::io::Write;
use std::path::{Path, PathBuf};

use plasma::client::{Client, SqliteStore};
use plasma::prelude::*;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::app::{App, Like, Note, PlainAddNote, PlainEdit, PlainRename, RemoveTag};
use crate::command::{open, put_tag, render, rotate, sync};
use crate::dump;
use crate::keys::CircleKeys;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Words of the story that no server may ever see.
pub const SECRETS: [&str; 6] = ["Surprise party", "chocolate cake", "lemon cake", "birthday", "shopping", "balloons"];

/// Tells the story.
///
/// # Errors
/// When a step that has to work does not, or the end state is wrong.
pub async fn run(out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    Story::begin(folder.path(), out).await?.tell().await
}

struct Story<'o> {
    out: &'o mut (dyn Write + Send),
    folder: PathBuf,
    url: String,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), Failure>>,
}

impl<'o> Story<'o> {
    #[expect(clippy::disallowed_methods, reason = "a program may start a task")]
    async fn begin(folder: &Path, out: &'o mut (dyn Write + Send)) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let db = folder.join("server.db");
        let server = tokio::spawn(async move {
            let shutdown = async move {
                // A dropped sender means that the story is over too.
                let _ = stopped.await;
            };
            crate::serve::serve(listener, db, shutdown, &mut std::io::sink()).await
        });
        Ok(Story { out, folder: folder.to_owned(), url, stop, server })
    }

    fn say(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{text}")?)
    }

    fn chapter(&mut self, title: &str) -> Result<(), Failure> {
        Ok(writeln!(self.out, "\n== {title}")?)
    }

    async fn device(&self, name: &str, keys: &CircleKeys) -> Result<Client<App>, Failure> {
        let store = SqliteStore::open(self.folder.join(format!("{name}.db")));
        Ok(open(Some(&self.url), "family", keys, store).await?)
    }

    async fn show(&mut self, who: &str, client: &Client<App>, keys: &CircleKeys) -> Result<(), Failure> {
        for line in render(client, keys, None).await?.lines() {
            // Ids are of no use in a story.
            let line = line.rsplit_once("  ").filter(|_| !line.starts_with(' ')).map_or(line, |(text, _)| text);
            writeln!(self.out, "    {who} | {line}")?;
        }
        Ok(())
    }

    async fn tell(mut self) -> Result<(), Failure> {
        let keys = CircleKeys::generate()?;
        let (phone, laptop) = (self.device("phone", &keys).await?, self.device("laptop", &keys).await?);
        self.say("a phone and a laptop share a file of keys; the server has none")?;

        self.chapter("The phone writes a note")?;
        let party = phone.new_id::<Note>();
        let (title, body) = ("Surprise party".to_owned(), "chocolate cake, Saturday at 8".to_owned());
        phone.mutate(PlainAddNote { id: party, title, body }).await?;
        put_tag(&phone, &keys, party, "birthday").await?;
        self.show("phone", &phone, &keys).await?;
        let queued = phone.outbox().await?.iter().map(|queued| queued.args.clone()).collect::<String>();
        check(!SECRETS.iter().any(|secret| queued.contains(secret)), "what waits to be sent is sealed")?;
        self.say("what waits in its outbox is sealed already")?;
        sync(&phone).await?;
        sync(&laptop).await?;
        self.show("laptop", &laptop, &keys).await?;

        self.chapter("Both change it offline")?;
        phone.set_offline(true).await?;
        laptop.set_offline(true).await?;
        phone.mutate(PlainRename { id: party, title: "Surprise party for Ada".into() }).await?;
        put_tag(&phone, &keys, party, "shopping").await?;
        phone.mutate(Like { note: party }).await?;
        phone.mutate(Like { note: party }).await?;
        laptop.mutate(PlainEdit { id: party, body: "lemon cake and balloons, Saturday at 8".into() }).await?;
        put_tag(&laptop, &keys, party, "Shopping").await?;
        laptop.mutate(RemoveTag { note: party, label: keys.label("birthday") }).await?;
        laptop.mutate(Like { note: party }).await?;
        for device in [&phone, &laptop] {
            device.set_offline(false).await?;
            device.flush().await?;
        }
        sync(&phone).await?;
        sync(&laptop).await?;
        self.show("laptop", &laptop, &keys).await?;
        let note = laptop.need(party).await?;
        check(note == phone.need(party).await?, "both devices have the same note")?;
        check(note.likes.value() == 3, "every like counts")?;
        check(note.tags.len() == 1 && note.tags.contains(keys.label("shopping")), "one tag is left")?;
        self.say("the new title, the new text, one tag for both spellings, and every like")?;

        self.chapter("A search by tag, which the server could do and not understand")?;
        let found = laptop.all(Note::select().filter(Note::tags.has(keys.label("shopping")))).await?;
        check(found.len() == 1, "the tag is found by its keyed hash")?;
        check(laptop.count(Note::select().filter(Note::tags.has(keys.label("work")))).await? == 0, "no other is")?;
        self.say("found by a keyed hash of the tag")?;

        self.chapter("The key is changed, while the laptop is away with the old one")?;
        // The laptop's copy of the file is of before.
        let of_laptop = laptop_keys(&keys)?;
        laptop.close().await;
        let laptop = self.device("laptop", &of_laptop).await?;
        let late = laptop.new_id::<Note>();
        laptop.mutate(PlainAddNote { id: late, title: "balloons".into(), body: String::new() }).await?;
        let (old, new) = keys.renew()?;
        rotate(&phone, &old, &new, self.out).await?;
        sync(&phone).await?;
        check(phone.rotations().await?.is_empty(), "every text that the phone sees is sealed with the new key")?;
        sync(&laptop).await?;
        sync(&phone).await?;
        check(phone.need(late).await?.body.key_id() == &old, "the laptop's note came with the old key")?;
        self.say("the laptop comes back with a note under the old key: it can be read, and is sealed anew")?;
        rotate(&phone, &old, &new, self.out).await?;
        sync(&phone).await?;
        rotate(&phone, &old, &new, self.out).await?;
        keys.ring.forget(&old)?;
        self.show("phone", &phone, &keys).await?;
        sync(&laptop).await?;
        self.show("laptop", &laptop, &of_laptop).await?;
        self.say("the phone has forgotten the old key; the laptop reads nothing until it is given the new one")?;
        laptop.close().await;
        let laptop = self.device("laptop", &keys).await?;
        self.show("laptop", &laptop, &keys).await?;
        check(render(&laptop, &keys, None).await? == render(&phone, &keys, None).await?, "both read the same")?;

        self.chapter("What the server knows")?;
        phone.close().await;
        laptop.close().await;
        self.end(party).await
    }

    /// Stops the server, and looks at everything that it has kept.
    async fn end(self, party: Id<Note>) -> Result<(), Failure> {
        let database = self.folder.join("server.db");
        let found = dump::files_with(&database, &SECRETS)?;
        check(found.is_empty(), &format!("the server holds no plaintext while it runs ({})", found.join(", ")))?;
        // It may have ended already, with an error that the join below returns.
        let _ = self.stop.send(());
        self.server.await??;
        let tables = dump::read(&database)?;
        for row in tables.iter().filter(|table| table.name == "notes").flat_map(|table| &table.rows) {
            for (column, value) in row.iter().filter(|_| row.iter().any(|(_, value)| *value == party.to_string())) {
                let cut: String = value.chars().take(90).collect();
                writeln!(self.out, "    {column}: {cut}{}", if cut.len() < value.len() { ".." } else { "" })?;
            }
        }
        let rows: usize = tables.iter().map(|table| table.rows.len()).sum();
        let texts = tables.iter().flat_map(|table| &table.rows).flatten();
        let leaks = texts.filter(|(_, value)| SECRETS.iter().any(|secret| value.contains(secret))).count();
        check(leaks == 0, "no row of the server holds plaintext")?;
        let found = dump::files_with(&database, &SECRETS)?;
        check(found.is_empty(), &format!("the server holds no plaintext ({})", found.join(", ")))?;
        writeln!(
            self.out,
            "\n{rows} rows in {} tables, the change log with them, and the bytes of the file: not a word of it in the clear",
            tables.len()
        )?;
        Ok(())
    }
}

/// What a copy of the file of keys on another device still says after the first one has made a new key.
fn laptop_keys(keys: &CircleKeys) -> Result<CircleKeys, Failure> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("keys.json");
    keys.save(&file)?;
    CircleKeys::load(&file)
}

fn check(right: bool, what: &str) -> Result<(), Failure> {
    if right { Ok(()) } else { Err(format!("the end state is wrong: {what} does not hold").into()) }
}
