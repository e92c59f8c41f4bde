//! What a live query costs, said before it is opened.

use std::fmt;

use super::ivm::{Class, Interest, What, class_of};
use super::maintained::Maintained;
use super::statement::Statement;
use crate::error::Result;
use crate::query::ir;
use crate::query::lower::{self, Dialect};
use crate::store::SqlConnection;
use crate::value::{Kind, Value};

/// How a live query is kept up to date, and what that costs on the rows there are.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// From change to change, or why not.
    pub class: Class,
    /// The tables it reads.
    pub tables: Vec<TableUse>,
    /// How many rows the result has now.
    pub rows: usize,
    /// How many rows, groups and values are in memory to keep it up to date.
    pub held: usize,
    /// How SQLite runs the query, one step a line
    /// (<https://www.sqlite.org/eqp.html>).
    pub plan: Vec<String>,
    /// The indexes it uses for that.
    pub indexes: Vec<String>,
}

/// A table that a live query reads.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TableUse {
    /// SQL name of the table.
    pub table: &'static str,
    /// Which of its changes the query is told of: `all`, or those whose row satisfies a condition on one column, before or
    /// after.
    pub told_of: String,
    /// How many rows it looks at for one of those, on average over the rows there are. One is the row itself.
    pub rows_per_change: f64,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}; {} rows, {} held", self.class, self.rows, self.held)?;
        for table in &self.tables {
            writeln!(f, "  {}: {}, {:.1} rows a change", table.table, table.told_of, table.rows_per_change)?;
        }
        for line in &self.plan {
            writeln!(f, "  | {line}")?;
        }
        Ok(())
    }
}

/// Explains a query on the rows of this store.
pub(crate) fn explain(store: &mut dyn SqlConnection, query: &ir::Query) -> Result<Explanation> {
    let mut maintained = Maintained::new(Statement::new(Dialect::Sqlite, query.clone()));
    super::node::now(maintained.run(store))?;
    let rows = maintained.result().map_or(0, |result| result.values.len());
    let lowered = lower::select(Dialect::Sqlite, query);
    let steps = store.query(
        &format!("EXPLAIN QUERY PLAN {}", lowered.sql),
        &lowered.params,
        &[Kind::BigInt, Kind::BigInt, Kind::BigInt, Kind::Text],
    )?;
    let detail = |mut step: Vec<Value>| match step.pop() {
        Some(Value::Text(detail)) => Some(detail),
        _ => None,
    };
    let plan: Vec<String> = steps.into_iter().filter_map(detail).collect();
    let mut indexes: Vec<String> = plan.iter().filter_map(|line| index_of(line)).map(str::to_owned).collect();
    indexes.sort_unstable();
    indexes.dedup();
    let class = match maintained.refusal() {
        Some(reason) => Class::None { reason: reason.to_owned() },
        None => class_of(query),
    };
    let touched = maintained.rows_per_change();
    let interests = maintained.interests();
    let tables = interests.iter().map(|interest| TableUse {
        table: interest.table,
        told_of: told_of(query, interest),
        rows_per_change: match &class {
            Class::None { .. } => rows as f64,
            _ => touched.iter().find(|(table, _)| *table == interest.table).map_or(1.0, |(_, rows)| *rows),
        },
    });
    let tables = tables.collect();
    Ok(Explanation { class, tables, rows, held: maintained.held(), plan, indexes })
}

/// `.. USING INDEX name (..)`, also of a covering one.
fn index_of(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("INDEX ")?;
    rest.split([' ', '(']).next().filter(|name| !name.is_empty())
}

fn told_of(query: &ir::Query, interest: &Interest) -> String {
    let tables = query.tables();
    let table = tables.iter().find(|table| table.name == interest.table);
    let column = |at: usize| table.and_then(|table| table.columns.get(at)).map_or("?", |column| column.name);
    match &interest.what {
        What::All => "all changes".to_owned(),
        What::Equal(at, values) if values.len() == 1 => format!("changes of one `{}`", column(*at)),
        What::Equal(at, values) => format!("changes of {} values of `{}`", values.len(), column(*at)),
        What::Range(at, _) => format!("changes in a range of `{}`", column(*at)),
    }
}
