//! What a device can be told to do, by hand, offline too.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use plasma::client::{Client, Headers, SqliteStore};
use plasma::crypto::KeyId;
use plasma::prelude::*;

use crate::app::{
    App, Caller, Like, Note, PlainAddNote, PlainAddTag, PlainEdit, PlainRename, RemoveNote, RemoveTag, Tag,
};
use crate::keys::CircleKeys;

/// What a command works on.
#[derive(Debug)]
pub struct Options {
    /// The server's address; none is local only.
    pub server: Option<String>,
    /// The circle.
    pub circle: String,
    /// The file of the keys.
    pub keys: PathBuf,
    /// The file of the local store.
    pub store: PathBuf,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Writes a note.
    Add {
        /// Its title.
        title: String,
        /// What it says.
        #[arg(default_value = "")]
        body: String,
    },
    /// Shows the notes.
    List {
        /// Only those with this tag. The search is by its keyed hash.
        #[arg(long)]
        tag: Option<String>,
    },
    /// Gives a note another title.
    Rename {
        /// Title or id.
        note: String,
        /// The new title.
        title: String,
    },
    /// Gives a note another text.
    Edit {
        /// Title or id.
        note: String,
        /// The new text.
        body: String,
    },
    /// Puts a tag on a note.
    Tag {
        /// Title or id.
        note: String,
        /// The tag.
        tag: String,
    },
    /// Takes a tag off a note.
    Untag {
        /// Title or id.
        note: String,
        /// The tag.
        tag: String,
    },
    /// Likes a note.
    Like {
        /// Title or id.
        note: String,
    },
    /// Removes a note.
    Rm {
        /// Title or id.
        note: String,
    },
    /// Pushes what is queued and pulls what is new.
    Sync,
    /// Makes a new key and seals everything anew with it. Copy the file of keys to the other devices first.
    Rotate,
    /// Says which rotations are not over, and goes on with them.
    Rotations,
    /// Throws a key away. Nothing that it sealed can be read any more.
    Forget {
        /// The id of the key.
        key: String,
    },
}

type Failure = Box<dyn Error + Send + Sync>;

/// Prints an error and its causes.
#[expect(clippy::print_stderr, reason = "a command-line program speaks on the terminal")]
pub fn complain(error: &(dyn Error + 'static)) {
    eprintln!("notes: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}

/// Opens the client of a device.
///
/// # Errors
/// When the store cannot be opened, or belongs to another circle.
pub async fn open(
    server: Option<&str>,
    circle: &str,
    keys: &CircleKeys,
    store: SqliteStore,
) -> plasma::Result<Client<App>> {
    let mut builder = Client::<App>::builder(store)
        .group(circle)
        .ctx(Caller { circle: circle.to_owned() })
        .keyring(keys.ring.clone());
    if let Some(server) = server {
        let token = circle.to_owned();
        builder = builder.server(format!("{}/sync", server.trim_end_matches('/'))).auth(move || {
            let token = token.clone();
            async move { Ok(Headers::bearer(&token)) }
        });
    }
    builder.open().await
}

/// Runs one command.
///
/// # Errors
/// Whatever went wrong, in words.
pub async fn run(options: &Options, command: Command, out: &mut (dyn Write + Send)) -> Result<ExitCode, Failure> {
    let keys = CircleKeys::load(&options.keys)?;
    let store = SqliteStore::open(&options.store);
    let client = open(options.server.as_deref(), &options.circle, &keys, store).await?;
    let done = execute(&client, options, &keys, command, out).await;
    client.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn execute(
    client: &Client<App>,
    options: &Options,
    keys: &CircleKeys,
    command: Command,
    out: &mut (dyn Write + Send),
) -> Result<(), Failure> {
    match command {
        Command::List { tag } => {
            write!(out, "{}", render(client, keys, tag.as_deref()).await?)?;
            return Ok(());
        }
        Command::Sync => {}
        Command::Forget { key } => {
            keys.ring.forget(&KeyId::new(&key)?)?;
            keys.save(&options.keys)?;
            writeln!(out, "forgotten on this device: {key}")?;
            return Ok(());
        }
        Command::Rotate => {
            // From here on every device that has the file seals with the new key.
            let (old, new) = keys.renew()?;
            keys.save(&options.keys)?;
            rotate(client, &old, &new, out).await?;
        }
        Command::Rotations => {
            for begun in client.rotations().await? {
                rotate(client, &begun.old, &begun.new, out).await?;
            }
        }
        change => apply(client, keys, change).await?,
    }
    if options.server.is_none() {
        writeln!(out, "saved on this device")?;
        return Ok(());
    }
    match tokio::time::timeout(PATIENCE, sync(client)).await {
        Ok(Ok(())) => writeln!(out, "in step with the server")?,
        Ok(Err(error)) => writeln!(out, "saved on this device; it goes up later ({error})")?,
        Err(_) => writeln!(out, "saved on this device; it goes up later")?,
    }
    for begun in client.rotations().await? {
        writeln!(out, "{} is still needed: `notes rotations` goes on", begun.old)?;
    }
    Ok(())
}

/// How long a command waits for the server before it leaves its change in the outbox.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pushes and pulls.
///
/// # Errors
/// When the server cannot be reached.
pub async fn sync(client: &Client<App>) -> plasma::Result<()> {
    client.flush().await?;
    client.pull_once().await
}

async fn apply(client: &Client<App>, keys: &CircleKeys, command: Command) -> Result<(), Failure> {
    match command {
        Command::Add { title, body } => {
            client.mutate(PlainAddNote { id: client.new_id(), title, body }).await?;
        }
        Command::Rename { note, title } => {
            client.mutate(PlainRename { id: find(client, &note).await?, title }).await?;
        }
        Command::Edit { note, body } => {
            client.mutate(PlainEdit { id: find(client, &note).await?, body }).await?;
        }
        Command::Tag { note, tag } => put_tag(client, keys, find(client, &note).await?, &tag).await?,
        Command::Untag { note, tag } => {
            client.mutate(RemoveTag { note: find(client, &note).await?, label: keys.label(&tag) }).await?;
        }
        Command::Like { note } => {
            client.mutate(Like { note: find(client, &note).await? }).await?;
        }
        Command::Rm { note } => {
            client.mutate(RemoveNote { note: find(client, &note).await? }).await?;
        }
        Command::List { .. } | Command::Sync | Command::Rotate | Command::Rotations | Command::Forget { .. } => {}
    }
    Ok(())
}

/// Puts a tag on a note.
///
/// # Errors
/// When the note is gone, or the store fails.
pub async fn put_tag(client: &Client<App>, keys: &CircleKeys, note: Id<Note>, tag: &str) -> Result<(), Failure> {
    let (label, name) = (keys.label(tag), tag.to_owned());
    client.mutate(PlainAddTag { note, id: client.new_id(), label, name }).await?;
    Ok(())
}

/// Seals everything that this device sees anew, and says whether it still needs the old key.
///
/// # Errors
/// When the store fails.
pub async fn rotate(
    client: &Client<App>,
    old: &KeyId,
    new: &KeyId,
    out: &mut (dyn Write + Send),
) -> Result<(), Failure> {
    let progress = client.rotate_keys(old, new).await?;
    let (resealed, left) = (progress.resealed, progress.left);
    writeln!(out, "{resealed} texts sealed with {new}; {left} of {old} are not confirmed or cannot be changed")?;
    if progress.can_forget() {
        writeln!(out, "{old} is needed no longer here: once every device has synced, `notes forget {old}`")?;
    }
    Ok(())
}

/// The notes as text, each with its title, its tags and its likes.
///
/// # Errors
/// When the store cannot be read.
pub async fn render(client: &Client<App>, keys: &CircleKeys, tag: Option<&str>) -> Result<String, Failure> {
    use std::fmt::Write as _;
    let mut names = BTreeMap::new();
    for tag in client.all(Tag::select()).await? {
        if let Ok(name) = client.open(Tag::name, tag.id, &tag.name) {
            names.insert(*tag.label.bytes(), name);
        }
    }
    let with = tag.map(|tag| Note::tags.has(keys.label(tag)));
    let mut text = String::new();
    for note in client.all(Note::select().filter(with).order_by(Note::id.asc())).await? {
        let unreadable = |error: plasma::crypto::OpenError| format!("({error})");
        let title = client.open(Note::title, note.id, note.title.value()).unwrap_or_else(unreadable);
        let body = client.open(Note::body, note.id, &note.body).unwrap_or_else(unreadable);
        let mut tags: Vec<String> = note
            .tags
            .values()
            .iter()
            .filter_map(|label| names.get(label.bytes()))
            .map(|tag| format!(" #{tag}"))
            .collect();
        tags.sort();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{title}{} ({} likes)  {}", tags.concat(), note.likes.value(), note.id);
        if !body.is_empty() {
            let _ = writeln!(text, "    {body}");
        }
    }
    if text.is_empty() {
        text.push_str("no notes\n");
    }
    Ok(text)
}

/// The note with this title, or with an id that begins like this. No server could search for a title.
async fn find(client: &Client<App>, what: &str) -> Result<Id<Note>, Failure> {
    let mut found = Vec::new();
    for note in client.all(Note::select()).await? {
        let title = client.open(Note::title, note.id, note.title.value());
        if title.is_ok_and(|title| title == what) || (what.len() >= 8 && note.id.to_string().starts_with(what)) {
            found.push(note.id);
        }
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(format!("there is no note `{what}` on this device").into()),
        several => Err(format!("`{what}` names {} notes; use the id, which `list` shows", several.len()).into()),
    }
}
