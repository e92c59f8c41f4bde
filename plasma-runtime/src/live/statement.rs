//! A live query as SQL, with a key for every row.

use super::node::RawRows;
use crate::client::event::RowChange;
use crate::error::{Error, Result};
use crate::query::eval::{NoTables, matches};
use crate::query::ir::{self, Expr, Select};
use crate::query::lower::Dialect;
use crate::store::SqlConnection;
use crate::value::{Kind, Row, Value};

/// A query, ready to be run again and again.
#[derive(Debug)]
pub(super) struct Statement {
    /// The query; a projection has the row's id as its last member.
    pub query: ir::Query,
    sql: String,
    params: Vec<Value>,
    kinds: Vec<Kind>,
    tables: Vec<&'static str>,
    key: Key,
    /// There are no sub-queries: a change of one row says nothing of others.
    alone: bool,
}

/// Where the key of a row is.
#[derive(Debug, Clone, Copy)]
enum Key {
    /// In this column.
    Column(usize),
    /// Behind the projection; taken off.
    Last,
    /// There is one row.
    One,
}

impl Statement {
    /// Lowers the query.
    pub(super) fn new(mut query: ir::Query) -> Self {
        let key = match &mut query.select {
            Select::Row => Key::Column(query.table.id),
            Select::Exprs(exprs) => {
                exprs.push(Expr::column(query.table.name, "id"));
                Key::Last
            }
            Select::Count => Key::One,
        };
        let alone = is_alone(&query);
        let lowered = crate::query::lower::select(Dialect::Sqlite, &query);
        let tables = query.tables().iter().map(|table| table.name).collect();
        Statement { query, sql: lowered.sql, params: lowered.params, kinds: lowered.kinds, tables, key, alone }
    }

    /// Whether these changes may change the result: they touch one of its tables, and where there are no sub-queries,
    /// a row that satisfies the condition before or after the change.
    pub(super) fn concerns(&self, changes: &[RowChange]) -> bool {
        changes.iter().any(|change| self.tables.contains(&change.table) && self.may_hold(change))
    }

    /// Whether the row was or is among those the query looks at, by the evaluator that agrees with SQLite. Limits and
    /// orders are not looked at. In doubt it may.
    fn may_hold(&self, change: &RowChange) -> bool {
        let Some(filter) = self.query.filter.as_ref().filter(|_| self.alone) else { return true };
        let holds = |row: &Row| {
            let truth = matches(filter, self.query.table, row, &mut NoTables);
            truth.map_or(true, |truth| truth == Some(true))
        };
        change.before.iter().chain(&change.after).any(holds)
    }

    /// Runs the query.
    pub(super) fn run(&self, store: &mut dyn SqlConnection) -> Result<RawRows> {
        let mut values = store.query(&self.sql, &self.params, &self.kinds)?;
        let text = |value: Option<&Value>| match value {
            Some(Value::Text(id)) => Ok(Box::from(id.as_str())),
            other => Err(Error::internal(format!("a row of `{}` has the id {other:?}", self.query.table.name))),
        };
        let keys = match self.key {
            Key::Column(at) => values.iter().map(|row| text(row.get(at))).collect::<Result<_>>()?,
            Key::Last => values.iter_mut().map(|row| text(row.pop().as_ref())).collect::<Result<_>>()?,
            Key::One => values.iter().map(|_| Box::from("")).collect(),
        };
        Ok(RawRows { keys, values })
    }
}

/// Whether the query has no sub-queries, not even over its own table.
fn is_alone(query: &ir::Query) -> bool {
    let mut alone = true;
    let selected: &[Expr] = match &query.select {
        Select::Exprs(exprs) => exprs,
        Select::Row | Select::Count => &[],
    };
    for expr in query.filter.iter().chain(query.order.iter().map(|order| &order.expr)).chain(selected) {
        expr.subqueries(&mut |_| alone = false);
    }
    alone
}
