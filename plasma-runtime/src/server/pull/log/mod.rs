//! The part of the change log one pull looks at: entries after a position, their units, and the images of the rows
//! they changed at any position since.

mod load;
mod part;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

pub(super) use self::load::Limit;
pub(in crate::server) use self::part::Touched;
pub(super) use self::part::{Part, Window};
use super::context::Cut;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::cookie::Mark;
use crate::query::lower::Dialect;
use crate::schema::TableDef;
use crate::store::{SqlExecutor, SqlStep};
use crate::value::{Kind, Row, Value, json};

/// One entry of the log.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) version: u64,
    pub(super) mark: Mark,
    /// The table; none for entries that mark a position only, and for tables the schema no longer has.
    pub(super) table: Option<&'static TableDef>,
    pub(super) row: String,
    /// The unit the entry belongs to, counted from the first entry loaded.
    pub(super) unit: usize,
    value: Option<Text>,
    prior: Option<Text>,
}

/// An image as the log has it, decoded when somebody asks.
#[derive(Debug)]
struct Text {
    json: String,
    row: OnceLock<Row>,
}

impl Text {
    fn row(&self, table: &TableDef) -> Result<&Row> {
        if let Some(row) = self.row.get() {
            return Ok(row);
        }
        let row = json::decode_log_row(table, &self.json)?;
        Ok(self.row.get_or_init(|| row))
    }
}

/// The head of the log.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Head {
    pub(in crate::server) version: u64,
    pub(in crate::server) mark: Mark,
}

/// Entries in `(after, head]`, and those of the tail behind it.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) head: Head,
    pub(super) entries: Vec<Entry>,
    /// The last version of every unit, ascending.
    pub(super) boundaries: Vec<u64>,
    /// The tables of the tail.
    tail: BTreeSet<&'static str>,
    /// Per table and row, the positions of its entries, ascending.
    rows: BTreeMap<&'static str, BTreeMap<String, Vec<usize>>>,
    /// Per unit and table, the positions of its deletes.
    deletes: BTreeMap<(usize, &'static str), Vec<usize>>,
    /// Of entries below it only each row's newest is there, if that.
    bound: u64,
}

/// An image of a row that is in the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Image<'l> {
    table: &'static TableDef,
    text: &'l Text,
}

impl<'l> Image<'l> {
    /// The JSON as the log has it.
    pub(super) fn json(self) -> &'l str {
        &self.text.json
    }

    /// The decoded row.
    pub(super) fn row(self) -> Result<&'l Row> {
        self.text.row(self.table)
    }
}

impl Entry {
    /// The image after the write; none for a delete.
    pub(super) fn value(&self) -> Option<Image<'_>> {
        Some(Image { table: self.table?, text: self.value.as_ref()? })
    }

    /// The image before the write; none for an insert.
    pub(super) fn prior(&self) -> Option<Image<'_>> {
        Some(Image { table: self.table?, text: self.prior.as_ref()? })
    }
}

/// Asks for the head.
pub(in crate::server::pull) fn head_step(dialect: Dialect) -> SqlStep<'static> {
    let sql = match dialect {
        Dialect::Sqlite => "SELECT row_version, mark FROM _plasma_changes ORDER BY row_version DESC LIMIT 1",
        Dialect::Postgres => {
            "SELECT row_version, mark FROM _plasma_commits WHERE row_version IS NOT NULL \
             ORDER BY row_version DESC LIMIT 1"
        }
    };
    SqlStep::Query(sql, &[], &[Kind::BigInt, Kind::BigInt])
}

/// The head in this answer. An empty log is an error: `ensure_schema` writes its first entry.
pub(in crate::server::pull) fn read_head(rows: &[Row]) -> Result<Head> {
    let row = rows.first().ok_or_else(|| Error::internal("the change log is empty: was `ensure_schema` run?"))?;
    Ok(Head { version: version(&row[0])?, mark: mark(&row[1])? })
}

/// Reads the head.
pub(in crate::server) async fn head(db: &mut dyn SqlExecutor) -> Result<Head> {
    let answers = db.run_all(&[head_step(db.dialect())]).await?;
    read_head(answers.first().map_or(&[], Vec::as_slice))
}

/// Asks for the marks of the entries at four versions, the parameters, where there are such entries.
pub(in crate::server::pull) fn marks_step(dialect: Dialect, versions: &[Value; 4]) -> SqlStep<'_> {
    let sql = match dialect {
        Dialect::Sqlite => "SELECT row_version, mark FROM _plasma_changes WHERE row_version IN (?1, ?2, ?3, ?4)",
        Dialect::Postgres => "SELECT row_version, mark FROM _plasma_commits WHERE row_version IN (?1, ?2, ?3, ?4)",
    };
    SqlStep::Query(sql, versions, &[Kind::BigInt, Kind::BigInt])
}

/// The marks in this answer.
pub(in crate::server::pull) fn read_marks(rows: &[Row]) -> Result<BTreeMap<u64, Mark>> {
    rows.iter().map(|row| Ok((version(&row[0])?, mark(&row[1])?))).collect()
}

/// The marks of the entries at these versions, where there are such entries.
pub(in crate::server) async fn marks(db: &mut dyn SqlExecutor, versions: [u64; 4]) -> Result<BTreeMap<u64, Mark>> {
    let versions = versions.map(to_value);
    let answers = db.run_all(&[marks_step(db.dialect(), &versions)]).await?;
    read_marks(answers.first().map_or(&[], Vec::as_slice))
}

impl Log {
    /// No entries.
    pub(super) fn empty(head: Head) -> Self {
        Log {
            head,
            entries: Vec::new(),
            boundaries: Vec::new(),
            tail: BTreeSet::new(),
            rows: BTreeMap::new(),
            deletes: BTreeMap::new(),
            bound: 0,
        }
    }

    /// Whether entries of the row may be folded: what it was at the position the log was loaded from cannot be told.
    pub(super) fn is_folded(&self, entries: &[usize]) -> bool {
        entries.first().is_some_and(|first| self.entries[*first].version < self.bound)
    }

    fn push(&mut self, entry: Entry) {
        let at = self.entries.len();
        if let Some(table) = entry.table {
            let rows = self.rows.entry(table.name).or_default();
            match rows.get_mut(&entry.row) {
                Some(entries) => entries.push(at),
                None => {
                    rows.insert(entry.row.clone(), vec![at]);
                }
            }
            if entry.value.is_none() {
                self.deletes.entry((entry.unit, table.name)).or_default().push(at);
            }
        }
        self.entries.push(entry);
    }

    /// How many entries lie at or before this version.
    pub(super) fn entries_until(&self, at: u64) -> usize {
        self.entries.partition_point(|entry| entry.version <= at)
    }

    /// The cut at this version, which is one of an entry.
    pub(super) fn cut(&self, at: u64) -> Cut {
        let entry = self.entries_until(at).checked_sub(1).and_then(|last| self.entries.get(last));
        Cut { at, mark: entry.map_or(self.head.mark, |entry| entry.mark) }
    }

    /// Whether any row of the table is in the log.
    pub(super) fn touches(&self, table: &str) -> bool {
        self.rows.contains_key(table)
    }

    /// Whether the database shows the table as it will be after the head: what its SQL says of it is not as of now.
    pub(super) fn is_ahead(&self, table: &str) -> bool {
        self.tail.contains(table)
    }

    /// Whether this row is in the log.
    pub(super) fn holds(&self, table: &str, row: &str) -> bool {
        self.rows.get(table).is_some_and(|rows| rows.contains_key(row))
    }

    /// The rows of the table that are in the log, in order of their ids.
    pub(super) fn rows(&self, table: &str) -> impl Iterator<Item = (&str, &[usize])> {
        self.rows.get(table).into_iter().flatten().map(|(id, entries)| (id.as_str(), entries.as_slice()))
    }

    /// The entries of one row, ascending; none when it is not in the log.
    pub(super) fn entries_for(&self, table: &str, row: &str) -> &[usize] {
        self.rows.get(table).and_then(|rows| rows.get(row)).map_or(&[], Vec::as_slice)
    }

    /// The entries of the table up to the head, in order of rows, then versions.
    pub(super) fn entries_of(&self, table: &str) -> impl Iterator<Item = &Entry> {
        let entries = self.rows(table).flat_map(|(_, entries)| entries.iter().map(|at| &self.entries[*at]));
        entries.filter(|entry| entry.version <= self.head.version)
    }

    /// The row as of `at`: what the first entry after it overwrote, or what the last entry wrote.
    ///
    /// `entries` are the row's, and `at` is not before the position the log was loaded from.
    pub(super) fn image(&self, entries: &[usize], at: u64) -> Option<Image<'_>> {
        let later = entries.partition_point(|entry| self.entries[*entry].version <= at);
        match entries.get(later) {
            Some(entry) => self.entries[*entry].prior(),
            None => self.entries[*entries.last()?].value(),
        }
    }

    /// For a row that is absent as of `at` and was deleted before: its last image and the unit that deleted it.
    pub(super) fn last_image(&self, entries: &[usize], at: u64) -> Option<(Image<'_>, usize)> {
        let later = entries.partition_point(|entry| self.entries[*entry].version <= at);
        let entry = &self.entries[*entries[..later].last()?];
        match entry.value {
            Some(_) => None,
            None => Some((entry.prior()?, entry.unit)),
        }
    }

    /// The last images of the table's rows that this unit deleted and that are still absent as of `at`.
    pub(super) fn deleted_by(&self, unit: usize, table: &'static str, at: u64) -> impl Iterator<Item = Image<'_>> {
        let deletes = self.deletes.get(&(unit, table)).map_or(&[][..], Vec::as_slice);
        deletes.iter().filter_map(move |position| {
            let entry = &self.entries[*position];
            let entries = self.rows.get(table)?.get(&entry.row)?;
            let later = entries.partition_point(|entry| self.entries[*entry].version <= at);
            (entries[..later].last() == Some(position)).then(|| entry.prior()).flatten()
        })
    }

    /// Whether the row has an entry in `(after, until]`.
    pub(super) fn changed_between(&self, entries: &[usize], after: u64, until: u64) -> bool {
        entries.iter().any(|entry| (after + 1..=until).contains(&self.entries[*entry].version))
    }
}

fn text(value: Value) -> Result<Option<Text>> {
    match value {
        Value::Null => Ok(None),
        Value::Text(json) => Ok(Some(Text { json, row: OnceLock::new() })),
        _ => Err(malformed("an image that is no text")),
    }
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::Storage, format!("the change log holds {what}"))
}

pub(super) fn version(value: &Value) -> Result<u64> {
    value.as_int().and_then(|n| u64::try_from(n).ok()).ok_or_else(|| malformed("a version that is no number"))
}

fn mark(value: &Value) -> Result<Mark> {
    // 64 random bits, stored as SQLite's signed integer.
    value.as_int().map(|n| Mark(n.cast_unsigned())).ok_or_else(|| malformed("a mark that is no number"))
}

/// A version as a statement's parameter.
pub(in crate::server) fn to_value(version: u64) -> Value {
    // Cookies and the log hold versions up to `i64::MAX`.
    Value::Int(i64::try_from(version).unwrap_or(i64::MAX))
}
