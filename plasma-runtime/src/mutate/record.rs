//! What one run of a mutator was told and what it asked to be written, as two digests.
//!
//! A mutator is a function of its arguments, its envelope and the answers it is given. So two runs that were given the
//! same answers must ask for the same writes; when they do not, the mutator looks at something else as well: a clock, a
//! random source, a global variable. That is *drift*. `docs/protocol.md`, "Effects", says which bytes are hashed.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::query::ir::{Change, Expr, Write};
use crate::query::lower::{self, Dialect};
use crate::schema::{SchemaDef, TableDef};
use crate::value::{Row, Value};

/// The digests of one run: 16 lower-case hex digits each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effects {
    /// Of the schema, the mutator, and every answer the run was given, in order.
    pub(crate) reads: String,
    /// Of every checked write the run asked for: per row in order, rows in order of table and id.
    pub(crate) writes: String,
}

/// The record of a run that goes on.
pub(super) struct Record {
    reads: Sha256,
    /// Statements without a single row stand under the id ``, which no row has.
    writes: BTreeMap<(&'static str, String), Sha256>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("written", &self.writes.len()).finish_non_exhaustive()
    }
}

impl Record {
    /// The schema is part of what was read: runs under different ones are never compared.
    pub(super) fn new(schema: &SchemaDef, mutator: &str) -> Self {
        let mut reads = Sha256::new();
        for text in ["plasma effects 1: reads", schema.version, &schema.fingerprint_hex(), mutator] {
            part(&mut reads, text.as_bytes());
        }
        Record { reads, writes: BTreeMap::new() }
    }

    /// The run was given these rows.
    pub(super) fn rows(&mut self, rows: &Result<Vec<Row>>) {
        match rows {
            Ok(rows) => {
                part(&mut self.reads, b"rows");
                part(&mut self.reads, rows.len().to_string().as_bytes());
                row_by_row(&mut self.reads, rows);
            }
            Err(error) => self.told("failed", error.code()),
        }
    }

    /// The run was told how a write ended. That a write to one row was done says nothing new: only so is a run that
    /// writes one row more found to have written something else, and not to have read something else.
    pub(super) fn written(&mut self, one_row: bool, count: &Result<u64>) {
        match count {
            Ok(_) if one_row => {}
            Ok(count) => self.told("count", &count.to_string()),
            Err(error) => self.told("failed", error.code()),
        }
    }

    /// The run was told something about itself that the other run may be told differently, such as where it runs.
    pub(super) fn told(&mut self, what: &str, answer: &str) {
        part(&mut self.reads, what.as_bytes());
        part(&mut self.reads, answer.as_bytes());
    }

    /// The run asked for this write.
    pub(super) fn write(&mut self, write: &Write) {
        match write {
            Write::Insert { table, row } => {
                let id = row.get(table.id).and_then(Value::as_text).unwrap_or_default();
                let statement = self.statement(table, id, "insert");
                let mut columns: Vec<_> = table.columns.iter().zip(row).collect();
                columns.sort_unstable_by_key(|(column, _)| column.name);
                for (column, value) in columns.into_iter().filter(|(_, value)| !value.is_null()) {
                    part(statement, column.name.as_bytes());
                    constant(statement, value);
                }
            }
            Write::Update { table, id, changes } => {
                changed(self.statement(table, id, "update"), table, changes);
            }
            Write::UpdateWhere { table, filter, changes } => {
                let statement = self.statement(table, "", "update-where");
                constants(statement, table, filter);
                changed(statement, table, changes);
            }
            Write::Delete { table, id } => {
                self.statement(table, id, "delete");
            }
            Write::DeleteWhere { table, filter } => {
                constants(self.statement(table, "", "delete-where"), table, filter);
            }
        }
    }

    fn statement(&mut self, table: &'static TableDef, id: &str, word: &str) -> &mut Sha256 {
        let statement = self.writes.entry((table.name, id.to_owned())).or_default();
        part(statement, word.as_bytes());
        statement
    }

    /// Ends the record.
    pub(super) fn finish(self) -> Effects {
        let mut writes = Sha256::new();
        part(&mut writes, b"plasma effects 1: writes");
        for ((table, id), statements) in self.writes {
            part(&mut writes, table.as_bytes());
            part(&mut writes, id.as_bytes());
            part(&mut writes, &statements.finalize());
        }
        Effects { reads: hex(self.reads), writes: hex(writes) }
    }
}

/// Changes in order of the columns. A computed one stands for its constants: what it comes to depends on a row that
/// others may change, and the question is what this run asked for.
fn changed(hash: &mut Sha256, table: &'static TableDef, changes: &[Change]) {
    let mut changes: Vec<&Change> = changes.iter().collect();
    changes.sort_by_key(|change| change.column);
    for change in changes {
        part(hash, change.column.as_bytes());
        match &change.value {
            Expr::Literal(value) => constant(hash, value),
            computed => constants(hash, table, computed),
        }
    }
}

/// The constants of an expression, in the order in which they stand in its SQL.
fn constants(hash: &mut Sha256, table: &'static TableDef, expr: &Expr) {
    let (_, constants) = lower::condition(Dialect::Sqlite, table, table.name, expr, &|table| table.to_owned());
    part(hash, b"computed");
    part(hash, constants.len().to_string().as_bytes());
    constants.iter().for_each(|value| constant(hash, value));
}

fn row_by_row(hash: &mut Sha256, rows: &[Row]) {
    for row in rows {
        part(hash, row.len().to_string().as_bytes());
        row.iter().for_each(|value| constant(hash, value));
    }
}

fn constant(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Null => part(hash, b"n"),
        Value::Bool(value) => part(hash, if *value { b"b1" } else { b"b0" }),
        Value::Int(value) => part(hash, format!("i{value}").as_bytes()),
        // -0.0 is stored as 0.0.
        Value::Float(value) => part(hash, format!("f{:016x}", (value + 0.0).to_bits()).as_bytes()),
        Value::Text(text) => tagged(hash, b't', text.as_bytes()),
        Value::Json(text) => tagged(hash, b'j', text.as_bytes()),
        Value::Blob(bytes) => tagged(hash, b'x', bytes),
        Value::Rows(rows) => {
            part(hash, format!("r{}", rows.len()).as_bytes());
            row_by_row(hash, rows);
        }
    }
}

fn tagged(hash: &mut Sha256, tag: u8, bytes: &[u8]) {
    hash.update((bytes.len() as u64 + 1).to_be_bytes());
    hash.update([tag]);
    hash.update(bytes);
}

fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

fn hex(hash: Sha256) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    hash.finalize()[..8].iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
