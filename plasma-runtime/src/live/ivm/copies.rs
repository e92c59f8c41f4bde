//! Copies of tables, for sub-queries that the evaluator answers.

use std::collections::{BTreeMap, BTreeSet};

use super::key::Key;
use super::pipeline::Loads;
use crate::error::{Error, Result};
use crate::live::change::RowChange;
use crate::query::eval::{RowSource, value_in};
use crate::query::ir::{Expr, Query};
use crate::schema::TableDef;
use crate::value::{Row, Value};

/// A sub-query as it was asked, and the tables it reads.
#[derive(Debug)]
pub(super) struct Copies {
    /// All of `EXISTS`, `IN` or the query as a value.
    expr: Expr,
    /// The query it stands in.
    outer: Query,
    tables: Vec<Copy>,
    /// One of the tables has changed.
    changed: bool,
}

#[derive(Debug)]
struct Copy {
    table: &'static TableDef,
    rows: BTreeMap<String, Row>,
    /// For columns that were asked for by value, the ids of each value.
    index: BTreeMap<usize, BTreeMap<Key, BTreeSet<String>>>,
}

impl Copies {
    pub(super) fn new(expr: Expr, outer: Query) -> Self {
        let mut tables: Vec<&'static TableDef> = Vec::new();
        expr.queries(&mut |query| {
            for table in query.tables() {
                if !tables.iter().any(|known| known.name == table.name) {
                    tables.push(table);
                }
            }
        });
        let tables = tables.into_iter().map(|table| Copy { table, rows: BTreeMap::new(), index: BTreeMap::new() });
        Copies { expr, outer, tables: tables.collect(), changed: false }
    }

    pub(super) fn offer(&mut self, changes: &[&RowChange]) -> Result<()> {
        for change in changes {
            let Some(copy) = self.tables.iter_mut().find(|copy| copy.table.name == change.table) else { continue };
            copy.remove(&change.id);
            if let Some(after) = &change.after {
                copy.insert(change.id.clone(), after.clone());
            }
            self.changed = true;
        }
        Ok(())
    }

    pub(super) fn loads(&self, loads: &mut Vec<Query>) {
        loads.extend(self.tables.iter().map(|copy| Query::all(copy.table)));
    }

    pub(super) fn fill(&mut self, loads: &mut Loads) -> Result<()> {
        for copy in &mut self.tables {
            for row in loads.next()? {
                let Some(Value::Text(id)) = row.get(copy.table.id) else {
                    return Err(Error::internal("a row of a table has no id"));
                };
                copy.insert(id.clone(), row);
            }
        }
        self.changed = true;
        Ok(())
    }

    /// The keys whose answers may be others now: all, or none.
    pub(super) fn advance(&mut self) -> Vec<Key> {
        if std::mem::take(&mut self.changed) { vec![Key::default()] } else { Vec::new() }
    }

    /// The answer for a row.
    pub(super) fn answer(&mut self, row: &[Value]) -> Result<Value> {
        let mut source = Source(&mut self.tables);
        value_in(&self.expr, &self.outer, row, &mut source)
    }

    pub(super) fn tables(&self) -> Vec<&'static str> {
        self.tables.iter().map(|copy| copy.table.name).collect()
    }

    pub(super) fn held(&self) -> usize {
        self.tables.iter().map(|copy| copy.rows.len()).sum()
    }
}

impl Copy {
    fn insert(&mut self, id: String, row: Row) {
        for (column, index) in &mut self.index {
            index.entry(key(&row, *column)).or_default().insert(id.clone());
        }
        self.rows.insert(id, row);
    }

    fn remove(&mut self, id: &str) {
        let Some(row) = self.rows.remove(id) else { return };
        for (column, index) in &mut self.index {
            let key = key(&row, *column);
            if let Some(ids) = index.get_mut(&key) {
                ids.remove(id);
                if ids.is_empty() {
                    index.remove(&key);
                }
            }
        }
    }

    fn with(&mut self, column: usize, value: &Value) -> Vec<Row> {
        let rows = &self.rows;
        let index = self.index.entry(column).or_insert_with(|| {
            let mut index: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
            for (id, row) in rows {
                index.entry(key(row, column)).or_default().insert(id.clone());
            }
            index
        });
        let ids = index.get(&Key(Box::new([value.clone()])));
        ids.into_iter().flatten().filter_map(|id| rows.get(id)).cloned().collect()
    }
}

fn key(row: &Row, column: usize) -> Key {
    Key(row.get(column).into_iter().cloned().collect())
}

struct Source<'c>(&'c mut [Copy]);

impl RowSource for Source<'_> {
    fn rows(&mut self, table: &'static TableDef, equal: Option<(&str, &Value)>) -> Result<Vec<Row>> {
        let Some(copy) = self.0.iter_mut().find(|copy| copy.table.name == table.name) else {
            return Err(Error::internal(format!("there is no copy of `{}`", table.name)));
        };
        match equal.and_then(|(column, value)| Some((table.column_index(column)?, value))) {
            Some((column, value)) => Ok(copy.with(column, value)),
            None => Ok(copy.rows.values().cloned().collect()),
        }
    }
}
