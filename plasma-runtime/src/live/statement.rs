//! A live query as SQL, with a key for every row.

use std::collections::HashMap;

use super::raw::RawRows;
use crate::error::{Error, Result};
use crate::query::ir::{self, Select};
use crate::query::lower::{self, Dialect, Lowered};
use crate::store::SqlExecutor;
use crate::store::query::run_on;
use crate::value::json::encode_value_into;
use crate::value::{Row, Value};

/// A query, ready to be run again and again.
#[derive(Debug)]
pub(crate) struct Statement {
    /// The query as it was asked.
    pub query: ir::Query,
    keyed: ir::Query,
    /// The one statement it takes when nothing is nested, lowered once.
    lowered: Option<Lowered>,
    /// The tables it reads, those of its sub-queries too.
    pub tables: Vec<&'static str>,
    key: Key,
}

/// What tells the rows of a result apart.
#[derive(Debug, Clone, Copy)]
enum Key {
    /// The id in this column.
    Column(usize),
    /// So many values from this one on, taken off.
    Hidden(usize, usize),
    /// So many values from the first on: the rows are distinct.
    Values(usize),
    /// There is one row.
    One,
}

impl Statement {
    /// Lowers the query for connections of this dialect.
    pub(crate) fn new(dialect: Dialect, query: ir::Query) -> Self {
        let width = query.width();
        let mut keyed = query.clone();
        let key = match (&mut keyed.select, query.plain_table()) {
            (Select::Count, _) => Key::One,
            (Select::Row, Some(table)) => Key::Column(table.id),
            _ if query.distinct => Key::Values(width),
            (select, _) => {
                let mut exprs = match std::mem::replace(select, Select::Row) {
                    Select::Exprs(exprs) => exprs,
                    Select::Row | Select::Count => query.columns(),
                };
                let identity = query.identity();
                let count = identity.len();
                exprs.extend(identity);
                *select = Select::Exprs(exprs);
                Key::Hidden(width, count)
            }
        };
        let lowered = keyed.nested.is_empty().then(|| lower::select(dialect, &keyed));
        let tables = query.tables().iter().map(|table| table.name).collect();
        Statement { query, keyed, lowered, tables, key }
    }

    /// Runs the query on an asynchronous connection.
    pub(crate) async fn run_on<E: SqlExecutor + ?Sized>(&self, db: &mut E) -> Result<RawRows> {
        let values = match &self.lowered {
            Some(lowered) => db.query(&lowered.sql, &lowered.params, &lowered.kinds).await?,
            None => run_on(db, &self.keyed).await?,
        };
        self.keyed(values)
    }

    /// Takes the keys out of the rows.
    fn keyed(&self, mut values: Vec<Row>) -> Result<RawRows> {
        let mut keys = Vec::with_capacity(values.len());
        for row in &mut values {
            keys.push(match self.key {
                Key::Column(at) => key_text(row.get(at..=at).unwrap_or(&[])),
                Key::Hidden(from, count) if row.len() >= from + count => {
                    key_text(&row.drain(from..from + count).collect::<Vec<_>>())
                }
                Key::Hidden(..) => {
                    return Err(Error::internal("a row of a live query is shorter than it was asked for"));
                }
                Key::Values(count) => key_text(row.get(..count).unwrap_or(&[])),
                Key::One => String::new(),
            });
        }
        Ok(RawRows { keys: distinct(keys), values: values.into_iter().map(Into::into).collect() })
    }
}

/// One text for the values that identify a row; other values of the same columns have another text.
pub(super) fn key_text(values: &[Value]) -> String {
    const END: char = '\u{1f}';
    if let [Value::Text(id)] = values
        && !id.contains(END)
    {
        return id.clone();
    }
    let mut text = String::new();
    for value in values {
        // NULL is nothing, and so not the JSON null.
        if !value.is_null() {
            encode_value_into(value, &mut text);
        }
        text.push(END);
    }
    text
}

/// Rows of a derived table may have nothing to tell them apart: then they are counted.
pub(super) fn distinct(keys: Vec<String>) -> Vec<Box<str>> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    keys.into_iter()
        .map(|key| {
            let count = seen.entry(key.clone()).or_default();
            *count += 1;
            if *count == 1 { key.into_boxed_str() } else { format!("{key}\u{1e}{count}").into_boxed_str() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group of the JSON null and one of NULL were taken for one that was there twice.
    #[test]
    fn what_differs_has_another_key() {
        let text = |text: &str| Value::Text(text.to_owned());
        let keys = [
            vec![Value::Null],
            vec![Value::Json("null".to_owned())],
            vec![text("")],
            vec![text("null")],
            vec![text("null\u{1f}")],
            vec![text("\u{1f}")],
            vec![text("\"\u{1f}\"")],
            vec![Value::Null, Value::Null],
            vec![Value::Null, text("")],
            vec![text(""), Value::Null],
            vec![text("\u{1f}"), Value::Null],
        ];
        let texts: std::collections::BTreeSet<String> = keys.iter().map(|key| key_text(key)).collect();
        assert_eq!(texts.len(), keys.len(), "{texts:?}");
    }
}
