//! What a mutation read, and whether a change of the base meets it.
//!
//! A mutator is a function of what it reads. When a pull changes nothing that a pending mutation read or wrote, running
//! it again would do the same, and the replay is left out. So reads are recorded, rather too wide than too narrow:
//! row ids, conjunctions of equalities, and whole tables for everything else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::query::ir::{CompareOp, Expr, Part, Query, Source};
use crate::schema::TableDef;
use crate::value::{Kind, Value};

/// The reads of one mutation, or of several.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Footprint {
    tables: BTreeMap<String, TableReads>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct TableReads {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    all: bool,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    ids: BTreeSet<String>,
    /// Column names joined by [`SEPARATOR`], then the tuples of values that were asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    equal: BTreeMap<String, BTreeSet<Vec<String>>>,
}

const SEPARATOR: char = '\u{1f}';

impl Footprint {
    /// A row was read by id, whether it is there or not.
    pub(crate) fn row(&mut self, table: &TableDef, id: &str) {
        let reads = self.table(table);
        if !reads.all {
            reads.ids.insert(id.to_owned());
        }
    }

    /// Whether this very row was read, or the whole table.
    pub(crate) fn has_row(&self, table: &TableDef, id: &str) -> bool {
        self.tables.get(table.name).is_some_and(|reads| reads.all || reads.ids.contains(id))
    }

    /// All rows whose columns hold these values were read.
    pub(crate) fn equal<'v>(&mut self, table: &TableDef, values: impl Iterator<Item = (&'v str, &'v Value)>) {
        self.pairs(table, values.map(|(column, value)| (column.to_owned(), key(value))).collect());
    }

    /// A query was run.
    pub(crate) fn query(&mut self, query: &Query) {
        let Some(table) = query.plain_table() else {
            query.tables().into_iter().for_each(|table| self.all(table));
            return;
        };
        match &query.filter {
            Some(filter) => self.filter(table, filter),
            None => self.all(table),
        }
        query.parts(&mut |part| {
            if let Part::Expr(expr) = part {
                self.expr(expr);
            }
        });
    }

    /// The rows of `table` that meet `filter` were read.
    pub(crate) fn filter(&mut self, table: &'static TableDef, filter: &Expr) {
        self.expr(filter);
        let mut pairs = BTreeMap::new();
        equalities(table, filter, &mut pairs);
        let id = table.columns[table.id].name;
        if let Some((_, Value::Text(id))) = pairs.get_key_value(id) {
            self.row(table, id);
        } else if pairs.is_empty() {
            self.all(table);
        } else {
            self.pairs(table, pairs.into_iter().map(|(column, value)| (column.to_owned(), key(value))).collect());
        }
    }

    /// The tables of an expression's sub-queries were read, as wholes.
    pub(crate) fn expr(&mut self, expr: &Expr) {
        expr.queries(&mut |query| {
            query.sources().filter_map(Source::as_table).for_each(|table| self.all(table));
        });
    }

    fn all(&mut self, table: &TableDef) {
        *self.table(table) = TableReads { all: true, ..TableReads::default() };
    }

    fn pairs(&mut self, table: &TableDef, pairs: Vec<(String, String)>) {
        let reads = self.table(table);
        if !reads.all {
            let (columns, values): (Vec<String>, Vec<String>) = pairs.into_iter().unzip();
            reads.equal.entry(columns.join(&SEPARATOR.to_string())).or_default().insert(values);
        }
    }

    fn table(&mut self, table: &TableDef) -> &mut TableReads {
        self.tables.entry(table.name.to_owned()).or_default()
    }

    /// Adds the reads of another mutation.
    pub(crate) fn merge(&mut self, other: Footprint) {
        for (table, reads) in other.tables {
            let mine = self.tables.entry(table).or_default();
            mine.all |= reads.all;
            mine.ids.extend(reads.ids);
            for (columns, values) in reads.equal {
                mine.equal.entry(columns).or_default().extend(values);
            }
        }
    }

    /// Whether a row that was one of `images` and becomes another of them was read.
    pub(crate) fn meets(&self, table: &TableDef, id: &str, images: &[Option<&[Value]>]) -> bool {
        let Some(reads) = self.tables.get(table.name) else { return false };
        if reads.all || reads.ids.contains(id) {
            return true;
        }
        reads.equal.iter().any(|(columns, asked)| {
            images.iter().flatten().any(|image| {
                let values: Option<Vec<String>> = columns
                    .split(SEPARATOR)
                    .map(|column| table.column_index(column).map(|index| key(&image[index])))
                    .collect();
                // A column the schema no longer has: nothing can be proven.
                values.is_none_or(|values| asked.contains(&values))
            })
        })
    }

    /// The JSON kept in the outbox.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("maps with text keys are JSON")
    }

    /// Reads what [`to_json`](Self::to_json) wrote; none when it is something else.
    pub(crate) fn from_json(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

/// The equalities with constants that every row meeting `filter` fulfils.
fn equalities<'f>(table: &'static TableDef, filter: &'f Expr, pairs: &mut BTreeMap<&'static str, &'f Value>) {
    match filter {
        Expr::And(all) => all.iter().for_each(|expr| equalities(table, expr, pairs)),
        Expr::Compare { op: CompareOp::Eq | CompareOp::Is, left, right } => {
            let (column, value) = match (&**left, &**right) {
                (Expr::Column(column), Expr::Literal(value)) | (Expr::Literal(value), Expr::Column(column)) => {
                    (column, value)
                }
                _ => return,
            };
            let Some(def) = table.column(column.column).filter(|_| column.level == 0) else { return };
            // Values of another kind than the column's may be equal in SQL without being the same value here.
            let same_kind = match (def.kind, value) {
                (Kind::Json | Kind::File | Kind::Crdt(_) | Kind::Sealed, _) => false,
                (Kind::Id | Kind::Text | Kind::Date, Value::Text(_))
                | (Kind::Int | Kind::BigInt | Kind::Timestamp | Kind::Fixed(_), Value::Int(_))
                | (Kind::Float, Value::Float(_))
                | (Kind::Bool, Value::Bool(_))
                | (Kind::Blob, Value::Blob(_))
                | (_, Value::Null) => true,
                _ => false,
            };
            if same_kind {
                pairs.insert(def.name, value);
            }
        }
        _ => {}
    }
}

/// A value as text, different values as different texts.
fn key(value: &Value) -> String {
    use std::fmt::Write;
    match value {
        Value::Null => "n".to_owned(),
        Value::Bool(b) => format!("b{}", u8::from(*b)),
        Value::Int(n) => format!("i{n}"),
        // Adding 0.0 makes -0.0 the other zero: they are equal in SQL.
        Value::Float(x) => format!("f{:x}", (x + 0.0).to_bits()),
        Value::Text(text) => format!("t{text}"),
        Value::Json(json) => format!("j{json}"),
        Value::Rows(rows) => format!("r{rows:?}"),
        Value::Blob(bytes) => bytes.iter().fold("x".to_owned(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        }),
    }
}

#[cfg(test)]
mod tests;
