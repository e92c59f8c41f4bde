//! `plasma.lock`: the shape of every schema version of a crate, in a file that is committed with it.
//!
//! The format is described in the guide ("Schema versions"). This module writes it ([`entry`](fn@entry), [`verify`])
//! and reads the text that `#[plasma::schema]` has checked already ([`LockedVersion::lines`], which works in consts).

mod file;
mod render;
#[cfg(test)]
mod tests;
mod words;

pub use file::{LockError, Mode, Place, Verified, verify};
pub use render::entry;

use super::OnDelete;
use super::fingerprint::str_eq as is;
use crate::crdt::CrdtKind;
use crate::value::Kind;

/// The first line of a lock that is neither empty nor a comment.
pub const FORMAT: &str = "plasma.lock format 1";

/// A version of the schema as `plasma.lock` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockedVersion {
    /// The version people see.
    pub version: &'static str,
    /// The fingerprint that the schema had.
    pub fingerprint: u64,
    /// Its tables: the lines of the lock without indentation, comments and empty lines. Read them with
    /// [`lines`](LockedVersion::lines).
    pub shape: &'static str,
}

impl LockedVersion {
    /// The fingerprint as it goes over the wire: 16 lower-case hex digits.
    pub fn fingerprint_hex(&self) -> String {
        super::fingerprint::hex(self.fingerprint)
    }

    /// The lines of the shape.
    pub const fn lines(&self) -> Lines<'static> {
        Lines { rest: self.shape }
    }
}

/// A line of a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// `table NAME [local_only]`: the lines up to the next one are about this table.
    Table {
        /// SQL name.
        name: &'a str,
        /// Whether the table never syncs.
        local_only: bool,
    },
    /// `NAME: KIND ..`
    Column(LockedColumn<'a>),
    /// `unique(a, b)`
    Unique(Names<'a>),
}

/// A column of a locked table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockedColumn<'a> {
    /// SQL name.
    pub name: &'a str,
    /// The word for the kind of its values, as of [`kind_word`].
    pub kind: &'a str,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// Whether an insert may leave it out although it is not nullable.
    pub default: bool,
    /// Whether no two rows may hold the same value.
    pub unique: bool,
    /// The table that the id refers to; none for the row's own id, and for an `unconstrained` one.
    pub references: Option<&'a str>,
    /// The word for what happens when the referenced row is deleted, as of [`on_delete_word`].
    pub on_delete: &'a str,
}

/// The lines of a shape, one after the other: an iterator that works in consts, too.
#[derive(Debug, Clone, Copy)]
pub struct Lines<'a> {
    rest: &'a str,
}

impl<'a> Lines<'a> {
    /// The lines of a shape: what [`entry`](fn@entry) writes but for its first line, without indentation.
    pub(crate) const fn of(shape: &'a str) -> Self {
        Lines { rest: shape }
    }

    /// The next line.
    pub const fn next_line(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = cut(self.rest, b'\n');
        self.rest = rest;
        let (first, words) = cut(line, b' ');
        let end = first.as_bytes()[first.len() - 1];
        Some(if end == b':' {
            Line::Column(column(first.split_at(first.len() - 1).0, words))
        } else if is(first, "table") {
            let (name, option) = cut(words, b' ');
            Line::Table { name, local_only: is(option, "local_only") }
        } else {
            Line::Unique(Names { rest: cut(cut(line, b'(').1, b')').0 })
        })
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        self.next_line()
    }
}

/// The columns of a unique set, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names<'a> {
    rest: &'a str,
}

impl<'a> Names<'a> {
    /// The next name.
    pub const fn next_name(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (name, rest) = cut(self.rest, b',');
        // After a comma comes one space.
        self.rest = if rest.is_empty() { rest } else { rest.split_at(1).1 };
        Some(name)
    }

    /// All that are left, as the lock has them: `a, b`.
    pub const fn text(&self) -> &'a str {
        self.rest
    }
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.next_name()
    }
}

const fn column<'a>(name: &'a str, words: &'a str) -> LockedColumn<'a> {
    let (kind, mut rest) = cut(words, b' ');
    let mut column = LockedColumn {
        name,
        kind,
        nullable: false,
        default: false,
        unique: false,
        references: None,
        on_delete: on_delete_word(OnDelete::NoAction),
    };
    while !rest.is_empty() {
        let (word, after) = cut(rest, b' ');
        rest = after;
        if is(word, "null") {
            column.nullable = true;
        } else if is(word, "default") {
            column.default = true;
        } else if is(word, "unique") {
            column.unique = true;
        } else {
            // `-> table` and `on_delete action`.
            let (value, after) = cut(rest, b' ');
            rest = after;
            if is(word, "->") {
                column.references = Some(value);
            } else {
                column.on_delete = value;
            }
        }
    }
    column
}

/// The text before and after the first `separator`; all of it and nothing when there is none.
const fn cut(text: &str, separator: u8) -> (&str, &str) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == separator {
            let (before, after) = text.split_at(at);
            return (before, after.split_at(1).1);
        }
        at += 1;
    }
    (text, "")
}

/// How a lock writes a kind.
pub const fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Id => "id",
        Kind::Text => "text",
        Kind::Int => "int",
        Kind::BigInt => "bigint",
        Kind::Float => "float",
        Kind::Bool => "bool",
        Kind::Blob => "blob",
        Kind::Json => "json",
        Kind::Timestamp => "timestamp",
        Kind::Date => "date",
        Kind::File => "file",
        Kind::Fixed(scale) => words::FIXED[scale as usize],
        Kind::Crdt(CrdtKind::GCounter) => "g_counter",
        Kind::Crdt(CrdtKind::PnCounter) => "pn_counter",
        Kind::Crdt(CrdtKind::Lww(of)) => words::LWW[words::place(*of)],
        Kind::Crdt(CrdtKind::OrSet(of)) => words::OR_SET[words::place(*of)],
        #[cfg(feature = "text")]
        Kind::Crdt(CrdtKind::Text) => "crdt_text",
        Kind::Sealed => "sealed",
    }
}

/// How a lock writes what a delete does: as the option of the column.
pub const fn on_delete_word(action: OnDelete) -> &'static str {
    match action {
        OnDelete::NoAction => "no_action",
        OnDelete::Restrict => "restrict",
        OnDelete::Cascade => "cascade",
        OnDelete::SetNull => "set_null",
    }
}
