//! The lock as a file: is it current, and writing it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use thiserror::Error;

use super::FORMAT;
use super::render::{entry, heading};
use crate::schema::SchemaDef;

/// What a new lock starts with.
const HEAD: &str = "\
# The shape of every schema version. `PLASMA_LOCK=write cargo test plasma_lock` writes it; commit it.
";

/// What `PLASMA_LOCK` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Not set: say whether the lock is current.
    Check,
    /// `write`: record a new version, or additions to the version there is.
    Write,
    /// `replace`: the same, and the build accepts incompatible changes of the version, too. For versions that nobody
    /// has yet.
    Replace,
}

impl Mode {
    /// Reads the environment variable `PLASMA_LOCK`.
    ///
    /// # Errors
    /// [`LockError::Mode`] when it is something else.
    pub fn from_env() -> Result<Self, LockError> {
        match std::env::var("PLASMA_LOCK").as_deref() {
            Err(_) | Ok("") => Ok(Mode::Check),
            Ok("write") => Ok(Mode::Write),
            Ok("replace") => Ok(Mode::Replace),
            Ok(other) => Err(LockError::Mode(other.to_owned())),
        }
    }
}

/// Where a schema and its lock are.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The folder of the crate's `Cargo.toml`.
    pub manifest_dir: &'a Path,
    /// The lock, relative to that folder.
    pub lock: &'a str,
    /// The file with the schema, as of [`file!`]: the compiler looks at it again when the lock appears.
    pub source: &'a str,
    /// Whether the lock was there when the schema was compiled.
    pub compiled: bool,
}

/// What [`verify`] found or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// There is no lock, and none was asked for.
    NoLock,
    /// The lock has this version as it is.
    Current,
    /// The version was added.
    Added,
    /// The version had another shape, which is now replaced: the lines that went (`-`) and that came (`+`).
    Replaced(Vec<String>),
}

/// Why a lock is not current.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// `PLASMA_LOCK` is none of the words it may be.
    #[error("`PLASMA_LOCK` is `{0}`; expected `write` or `replace`")]
    Mode(String),
    /// The lock has other versions of the schema only.
    #[error(
        "`{lock}` has no version \"{version}\" of schema `{schema}`: run `PLASMA_LOCK=write cargo test plasma_lock` and \
         commit it"
    )]
    NewVersion {
        /// The lock.
        lock: String,
        /// The schema.
        schema: String,
        /// Its version.
        version: String,
    },
    /// The version in the lock is another one, in ways that the build accepts.
    #[error(
        "schema `{schema}` version \"{version}\" has changed since it was locked in `{lock}`:\n{}\nIf the version is \
         released, bump `version`. Then run `PLASMA_LOCK=write cargo test plasma_lock` and commit the lock",
        changes.join("\n")
    )]
    Stale {
        /// The lock.
        lock: String,
        /// The schema.
        schema: String,
        /// Its version.
        version: String,
        /// The lines that went (`-`) and that came (`+`).
        changes: Vec<String>,
    },
    /// The lock is younger than the build.
    #[error("`{0}` was not there when this was compiled: run the test again")]
    Appeared(String),
    /// The file is not a lock that this version of plasma writes.
    #[error("`{0}` does not start with `{FORMAT}`: move it away to write a new one")]
    Format(String),
    /// The file cannot be read or written.
    #[error("`{0}`: {1}")]
    Io(PathBuf, #[source] io::Error),
}

/// Says whether the lock has this schema as it is, or writes it.
///
/// # Errors
/// What is wrong with the lock, and what to run.
pub fn verify(schema: &SchemaDef, place: &Place<'_>, mode: Mode) -> Result<Verified, LockError> {
    let path = place.manifest_dir.join(place.lock);
    let failed = |error| LockError::Io(path.clone(), error);
    if mode == Mode::Check {
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Verified::NoLock),
            read => read.map_err(failed)?,
        };
        if !place.compiled {
            touch(place);
            return Err(LockError::Appeared(place.lock.to_owned()));
        }
        return current(schema, place, &text);
    }
    let appeared = !path.exists();
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    // The test of another schema may write at the same time, in a thread or process of its own.
    file.lock().map_err(failed)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let (written, verified) = rewritten(schema, place.lock, &text)?;
    if written != text {
        replace(&mut file, &written).map_err(failed)?;
    }
    if appeared || !place.compiled {
        touch(place);
    }
    Ok(verified)
}

fn replace(file: &mut File, text: &str) -> io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn current(schema: &SchemaDef, place: &Place<'_>, text: &str) -> Result<Verified, LockError> {
    let (lock, name, version) = (place.lock.to_owned(), schema.name.to_owned(), schema.version.to_owned());
    let lines: Vec<&str> = text.lines().collect();
    begins(&lines, place.lock)?;
    let Some((from, to)) = find(&lines, schema) else {
        return Err(LockError::NewVersion { lock, schema: name, version });
    };
    let changes = changes(&lines[from..to], &entry(schema));
    if changes.is_empty() {
        return Ok(Verified::Current);
    }
    Err(LockError::Stale { lock, schema: name, version, changes })
}

/// The text of the lock with this schema's version in it, and what that changes.
fn rewritten(schema: &SchemaDef, lock: &str, text: &str) -> Result<(String, Verified), LockError> {
    let new = entry(schema);
    if text.trim().is_empty() {
        return Ok((format!("{HEAD}{FORMAT}\n\n{new}"), Verified::Added));
    }
    let lines: Vec<&str> = text.lines().collect();
    begins(&lines, lock)?;
    if let Some((from, to)) = find(&lines, schema) {
        let changes = changes(&lines[from..to], &new);
        if changes.is_empty() {
            return Ok((text.to_owned(), Verified::Current));
        }
        return Ok((joined(&lines[..from], &new, &lines[to..]), Verified::Replaced(changes)));
    }
    // After the last version of this schema; a schema that is new here comes last.
    let prefix = format!("schema {} ", schema.name);
    let last = lines.iter().rposition(|line| line.trim_start().starts_with(&prefix));
    let at = last.map_or(lines.len(), |from| end(&lines, from));
    let (before, after) = lines.split_at(at);
    let before: Vec<&str> = before.iter().copied().chain([""]).collect();
    Ok((joined(&before, &new, after), Verified::Added))
}

fn joined(before: &[&str], entry: &str, after: &[&str]) -> String {
    let mut text = String::new();
    for line in before.iter().copied().chain(entry.lines()).chain(after.iter().copied()) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn begins(lines: &[&str], lock: &str) -> Result<(), LockError> {
    if meaning(lines).next() == Some(FORMAT) { Ok(()) } else { Err(LockError::Format(lock.to_owned())) }
}

/// The lines without indentation, comments and empty ones.
fn meaning<'l>(lines: &'l [&str]) -> impl Iterator<Item = &'l str> {
    lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Where the entry of this version begins and ends.
fn find(lines: &[&str], schema: &SchemaDef) -> Option<(usize, usize)> {
    let heading = heading(schema.name, schema.version) + " ";
    let from = lines.iter().position(|line| line.trim_start().starts_with(&heading))?;
    Some((from, end(lines, from)))
}

/// Where the entry that begins at `from` ends. What stands above the next one is about the next one.
fn end(lines: &[&str], from: usize) -> usize {
    let next = lines[from + 1..].iter().position(|line| line.trim_start().starts_with("schema "));
    let mut end = next.map_or(lines.len(), |next| from + 1 + next);
    while end > from + 1 && meaning(&lines[end - 1..end]).next().is_none() {
        end -= 1;
    }
    end
}

/// The lines that went and that came, each with its table.
fn changes(old: &[&str], new: &str) -> Vec<String> {
    let new: Vec<&str> = new.lines().collect();
    let (old, new) = (placed(old), placed(&new));
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}"));
    let came = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(came).collect()
}

/// Every line of an entry with the table it belongs to in front.
fn placed(lines: &[&str]) -> Vec<String> {
    let mut table = "";
    let mut placed = Vec::new();
    for line in meaning(lines) {
        let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(rest) = line.strip_prefix("table ") {
            table = rest.split_whitespace().next().unwrap_or_default();
            placed.push(words);
        } else if table.is_empty() {
            placed.push(words);
        } else {
            placed.push(format!("{table}.{words}"));
        }
    }
    placed
}

/// Makes cargo compile the schema again: what was not there when it was compiled is not among the files cargo watches.
/// A source that cannot be found or touched is compiled again when it changes.
#[allow(clippy::disallowed_methods, reason = "the time of a file, in a test; no engine runs here")]
fn touch(place: &Place<'_>) {
    // `file!` is relative to where the compiler ran: the workspace, which is this crate's folder or one above it.
    let source = place.manifest_dir.ancestors().map(|folder| folder.join(place.source)).find(|path| path.is_file());
    if let Some(source) = source
        && let Ok(file) = OpenOptions::new().append(true).open(source)
    {
        let _ = file.set_modified(SystemTime::now());
    }
}
