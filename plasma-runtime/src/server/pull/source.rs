//! The tables as of a position, for the evaluation of rules in memory.
//!
//! Evaluation is synchronous and the database is not, so rows are fetched in rounds: an evaluation that needs rows that
//! are not here notes the need and is void; all needs of a round are read with a few statements; the void evaluations
//! run again. A rule with nested sub-queries takes one round a level, however many rows are judged.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Image, Log};
use crate::error::Result;
use crate::query::eval::{self, RowSource};
use crate::query::ir::Expr;
use crate::schema::TableDef;
use crate::store::SqlExecutor;
use crate::store::ddl::quote;
use crate::value::{Kind, Row, Value};

/// Values in one statement at most.
const IN_LIST: usize = 256;

/// What rows are looked up by: a column's value, or nothing (the whole table).
type Key = (&'static str, Option<(usize, String)>);

/// Rows by a column's value: the images of a table as of one position.
type Index<'l> = BTreeMap<String, Vec<Image<'l>>>;

/// Values of one column whose rows are missing, with their keys.
struct Needs {
    table: &'static TableDef,
    values: Vec<(String, Value)>,
}

/// Current rows that no entry of the log concerns, and the images of those that entries concern.
#[derive(Debug)]
pub(super) struct Tables<'l> {
    log: &'l Log,
    rows: BTreeMap<Key, Vec<Row>>,
    needs: BTreeMap<Key, (&'static TableDef, Option<Value>)>,
    images: BTreeMap<(&'static str, usize, u64), Index<'l>>,
}

/// The moment a rule is judged at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// With the tables as of this position.
    pub(super) at: u64,
    /// And the rows that this unit deleted.
    pub(super) with_deleted_by: Option<usize>,
}

impl<'l> Tables<'l> {
    pub(super) fn new(log: &'l Log) -> Self {
        Tables { log, rows: BTreeMap::new(), needs: BTreeMap::new(), images: BTreeMap::new() }
    }

    /// Whether the rule holds for the row at that moment. None: rows are missing, [`fetch`](Tables::fetch) first.
    pub(super) fn holds(
        &mut self,
        rule: &Expr,
        table: &'static TableDef,
        row: &Row,
        moment: Moment,
    ) -> Result<Option<bool>> {
        let mut source = Source { tables: self, moment, missed: false };
        let answer = eval::matches(rule, table, row, &mut source)?;
        Ok((!source.missed).then_some(answer == Some(true)))
    }

    /// Reads what evaluations missed.
    pub(super) async fn fetch(&mut self, db: &mut dyn SqlExecutor) -> Result<()> {
        let mut by_column: BTreeMap<(&'static str, usize), Needs> = BTreeMap::new();
        for ((name, by), (table, value)) in std::mem::take(&mut self.needs) {
            match (by, value) {
                (Some((column, key)), Some(value)) => {
                    let needs = by_column.entry((name, column)).or_insert(Needs { table, values: Vec::new() });
                    needs.values.push((key, value));
                }
                _ => {
                    let rows = self.unlogged(table, db.query(&select(table, ""), &[], &kinds(table)).await?);
                    self.rows.insert((name, None), rows);
                }
            }
        }
        for ((name, column), Needs { table, values }) in by_column {
            for chunk in values.chunks(IN_LIST) {
                let values: Vec<&Value> = chunk.iter().map(|(_, value)| value).collect();
                for (key, _) in chunk {
                    self.rows.insert((name, Some((column, key.clone()))), Vec::new());
                }
                for row in self.unlogged(table, read_in(db, table, column, &values).await?) {
                    let key = (name, Some((column, key_of(&row[column]))));
                    self.rows.entry(key).or_default().push(row);
                }
            }
        }
        Ok(())
    }

    /// Rows of the log are answered by the log, as of any position since.
    fn unlogged(&self, table: &'static TableDef, mut rows: Vec<Row>) -> Vec<Row> {
        if self.log.touches(table.name) {
            rows.retain(|row| !self.log.holds(table.name, table.row_id(row)));
        }
        rows
    }

    /// The images as of `at` by the value of a column.
    fn index(&mut self, table: &'static TableDef, column: usize, at: u64) -> Result<&Index<'l>> {
        let log = self.log;
        match self.images.entry((table.name, column, at)) {
            std::collections::btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(new) => {
                let mut index = Index::new();
                for (_, entries) in log.rows(table.name) {
                    if let Some(image) = log.image(entries, at) {
                        index.entry(key_of(&image.row()?[column])).or_default().push(image);
                    }
                }
                Ok(new.insert(index))
            }
        }
    }
}

struct Source<'t, 'l> {
    tables: &'t mut Tables<'l>,
    moment: Moment,
    missed: bool,
}

impl RowSource for Source<'_, '_> {
    fn rows(&mut self, table: &'static TableDef, equal: Option<(&str, &Value)>) -> Result<Vec<Row>> {
        let at = self.moment.at;
        let by = equal.and_then(|(column, value)| Some((table.column_index(column)?, value)));
        if by.is_some_and(|(_, value)| value.is_null()) {
            return Ok(Vec::new());
        }
        let key = (table.name, by.map(|(column, value)| (column, key_of(value))));
        let mut found = match self.tables.rows.get(&key) {
            Some(rows) => rows.clone(),
            None => {
                self.missed = true;
                self.tables.needs.insert(key, (table, by.map(|(_, value)| value.clone())));
                return Ok(Vec::new());
            }
        };
        let log = self.tables.log;
        if !log.touches(table.name) {
            return Ok(found);
        }
        match by {
            Some((column, value)) => {
                let index = self.tables.index(table, column, at)?;
                for image in index.get(&key_of(value)).into_iter().flatten() {
                    found.push(image.row()?.clone());
                }
            }
            None => {
                for (_, entries) in log.rows(table.name) {
                    if let Some(image) = log.image(entries, at) {
                        found.push(image.row()?.clone());
                    }
                }
            }
        }
        if let Some(unit) = self.moment.with_deleted_by {
            for image in log.deleted_by(unit, table.name, at) {
                let row = image.row()?;
                if by.is_none_or(|(column, value)| row[column] == *value) {
                    found.push(row.clone());
                }
            }
        }
        Ok(found)
    }
}

/// A value as a key: equal keys are equal values of one column.
pub(super) fn key_of(value: &Value) -> String {
    match value {
        Value::Null => "0".to_owned(),
        Value::Bool(b) => format!("b{b}"),
        Value::Int(n) => format!("i{n}"),
        Value::Float(x) => format!("f{x:?}"),
        Value::Text(text) => format!("t{text}"),
        Value::Blob(bytes) => format!("x{bytes:?}"),
        Value::Json(text) => format!("j{text}"),
        Value::Rows(rows) => format!("r{rows:?}"),
    }
}

/// How the columns of a table are read.
pub(super) fn kinds(table: &TableDef) -> Vec<Kind> {
    table.columns.iter().map(|column| column.kind).collect()
}

/// `SELECT` of all columns; `rest` begins with a space, or is empty.
pub(super) fn select(table: &TableDef, rest: &str) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| quote(column.name)).collect();
    format!("SELECT {} FROM {}{rest}", columns.join(", "), quote(table.name))
}

/// The rows whose column holds one of the values; at most [`IN_LIST`] of them.
async fn read_in(
    db: &mut dyn SqlExecutor,
    table: &'static TableDef,
    column: usize,
    values: &[&Value],
) -> Result<Vec<Row>> {
    // Rounded up to a power of two with the last value repeated, so that few different statements are prepared.
    let padded = values.len().next_power_of_two();
    let marks = vec!["?"; padded].join(", ");
    let name = quote(table.columns[column].name);
    let sql = select(table, &format!(" WHERE {name} IN ({marks})"));
    let mut params: Vec<Value> = values.iter().map(|value| (*value).clone()).collect();
    if let Some(last) = params.last().cloned() {
        params.resize(padded, last);
    }
    db.query(&sql, &params, &kinds(table)).await
}

/// The current rows, not in the log, whose column holds one of the values.
pub(super) async fn read_by(
    db: &mut dyn SqlExecutor,
    log: &Log,
    table: &'static TableDef,
    column: usize,
    values: &BTreeMap<String, (Value, bool)>,
) -> Result<Vec<Row>> {
    let values: Vec<&Value> = values.values().map(|(value, _)| value).collect();
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for chunk in values.chunks(IN_LIST) {
        for row in read_in(db, table, column, chunk).await? {
            let id = table.row_id(&row);
            if !log.holds(table.name, id) && seen.insert(id.to_owned()) {
                found.push(row);
            }
        }
    }
    Ok(found)
}
