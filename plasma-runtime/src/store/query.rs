//! Queries with related rows: one statement for the query and one for each nested one, however many rows there are.

#[cfg(all(test, feature = "sqlite"))]
mod tests;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{SqlConnection, SqlExecutor};
use crate::error::{Error, Result};
use crate::future::poll_once;
use crate::query::ir::{Expr, Query, Select};
use crate::query::lower::{self, Dialect, Lowered};
use crate::value::compare::compare;
use crate::value::{Row, Value};

/// The rows of a query, related rows as [`Value::Rows`] behind the selected values.
///
/// Where several statements are needed and no transaction is open, they are run in one of their own, so that all of them
/// see the same state of the database.
///
/// # Errors
/// Those of the connection.
pub fn run(connection: &mut dyn SqlConnection, query: &Query) -> Result<Vec<Row>> {
    poll_once(Box::pin(run_on(connection, query)))
        .unwrap_or_else(|| Err(Error::internal("a synchronous connection was not ready at once")))
}

/// [`run`] on an asynchronous connection.
///
/// # Errors
/// Those of the connection.
pub async fn run_on<E: SqlExecutor + ?Sized>(db: &mut E, query: &Query) -> Result<Vec<Row>> {
    let dialect = db.dialect();
    if query.nested.is_empty() {
        let statement = lower::select(dialect, query);
        return db.query(&statement.sql, &statement.params, &statement.kinds).await;
    }
    let own = !db.in_transaction();
    if own {
        db.batch(dialect.begin_reading()).await?;
    }
    let rows = ask(db, Reading::new(dialect, query)).await;
    if own {
        // Nothing was written: the end of the transaction has nothing to lose.
        let ended = db.batch("COMMIT").await;
        if ended.is_err() && db.in_transaction() {
            db.batch("ROLLBACK").await?;
        }
    }
    rows
}

async fn ask<E: SqlExecutor + ?Sized>(db: &mut E, mut reading: Reading<'_>) -> Result<Vec<Row>> {
    while let Some(statement) = reading.next() {
        reading.answer(db.query(&statement.sql, &statement.params, &statement.kinds).await?)?;
    }
    Ok(reading.finish())
}

/// A query that is being run: says which statement is next, takes its rows, and puts all together in the end. Who runs
/// the statements, and how, is the caller's.
#[derive(Debug)]
pub(crate) struct Reading<'q> {
    dialect: Dialect,
    /// The query, then what is nested in it, parents before their children.
    levels: Vec<Level<'q>>,
    answered: usize,
}

/// One query of the tree. Its rows have the selected values first; then, for each nested query, the value that ties it,
/// where its rows will stand in the end; and last, unless it is the outermost, the value that ties it to its parent.
#[derive(Debug)]
struct Level<'q> {
    query: Cow<'q, Query>,
    columns: usize,
    parent: Option<Parent>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Parent {
    level: usize,
    /// Where in the parent's rows the key is.
    at: usize,
    /// The column that equals it.
    column: &'static str,
}

impl<'q> Reading<'q> {
    pub(crate) fn new(dialect: Dialect, query: &'q Query) -> Self {
        let mut reading = Reading { dialect, levels: Vec::new(), answered: 0 };
        reading.add(query, None);
        reading
    }

    fn add(&mut self, query: &'q Query, parent: Option<Parent>) {
        let width = query.width();
        let columns = width + query.nested.len() + usize::from(parent.is_some());
        let mut asked = Cow::Borrowed(query);
        if columns > width {
            let mut exprs = match &query.select {
                Select::Exprs(exprs) => exprs.clone(),
                Select::Row | Select::Count => query.columns(),
            };
            exprs.extend(query.nested.iter().map(|nested| Expr::Column(nested.parent)));
            exprs.extend(parent.iter().map(|parent| Expr::column(query.from.name, parent.column)));
            asked = Cow::Owned(Query { select: Select::Exprs(exprs), nested: Vec::new(), ..query.clone() });
        }
        let level = self.levels.len();
        self.levels.push(Level { query: asked, columns, parent, rows: Vec::new() });
        for (index, nested) in query.nested.iter().enumerate() {
            self.add(&nested.query, Some(Parent { level, at: width + index, column: nested.column }));
        }
    }

    /// The next statement to run; none when all were answered.
    pub(crate) fn next(&mut self) -> Option<Lowered> {
        loop {
            let level = self.levels.get(self.answered)?;
            let Some(parent) = &level.parent else { return Some(lower::select(self.dialect, &level.query)) };
            let mut keys: Vec<&Value> = self.levels[parent.level].rows.iter().map(|row| &row[parent.at]).collect();
            keys.retain(|key| !key.is_null());
            keys.sort_by(|a, b| compare(a, b));
            keys.dedup_by(|a, b| compare(a, b).is_eq());
            if !keys.is_empty() {
                let keys: Vec<Value> = keys.into_iter().cloned().collect();
                return Some(lower::select_of_each(self.dialect, &level.query, parent.column, &keys));
            }
            // Nobody has such rows.
            self.answered += 1;
        }
    }

    /// Takes the rows of that statement.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorKind::Internal) when they are not what was asked for.
    pub(crate) fn answer(&mut self, rows: Vec<Row>) -> Result<()> {
        match self.levels.get_mut(self.answered) {
            Some(level) if rows.iter().all(|row| row.len() == level.columns) => {
                level.rows = rows;
                self.answered += 1;
                Ok(())
            }
            _ => Err(Error::internal("the rows of a query are not those it asked for")),
        }
    }

    /// The rows of the query.
    pub(crate) fn finish(mut self) -> Vec<Row> {
        // Children come behind their parents: from the end on, the rows of a level are complete when it is reached.
        while let Some(level) = self.levels.pop() {
            let Some(parent) = level.parent else { return level.rows };
            let mut of_key: BTreeMap<Key, Vec<Row>> = BTreeMap::new();
            for mut row in level.rows {
                if let Some(key) = row.pop() {
                    of_key.entry(Key(key)).or_default().push(row);
                }
            }
            for row in &mut self.levels[parent.level].rows {
                let key = Key(std::mem::replace(&mut row[parent.at], Value::Null));
                row[parent.at] = Value::Rows(of_key.get(&key).cloned().unwrap_or_default());
            }
        }
        Vec::new()
    }
}

/// A value in the one order of values.
struct Key(Value);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Key {}
impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}
