//! Page after page by the last row of the page before (keyset pagination): no row is missed or comes twice because
//! others were inserted or deleted meanwhile, and a late page costs what the first one does.
//!
//! The method is Markus Winand's (<https://use-the-index-luke.com/no-offset>).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::any::AnyQuery;
use super::raw::Fault;
use super::read::Read;
use super::select::{Query, Select};
use crate::error::{Error, Result};
use crate::query::ir::{self, CompareOp, Expr};
use crate::query::lower::{self, Dialect};
use crate::value::{Row, Value};

/// Rows of a query, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<R> {
    /// The rows, at most the query's limit.
    pub rows: Vec<R>,
    /// To be given to [`after`](Select::after) for the next page; none when this was the last.
    pub next: Option<Cursor>,
}

/// The place of a row in the order of a query. Opaque text that may travel through a link or be stored; it holds the
/// values the query is ordered by, in clear.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor(String);

/// What a cursor says.
#[derive(Serialize, Deserialize)]
struct Place {
    /// What the query is ordered by.
    order: Vec<String>,
    /// The row's values.
    at: Vec<Key>,
}

/// A value in a cursor.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Key {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Blob(Vec<u8>),
    Json(String),
}

impl Key {
    fn of(value: Value) -> Result<Self> {
        Ok(match value {
            Value::Null => Key::Null,
            Value::Bool(b) => Key::Bool(b),
            Value::Int(n) => Key::Int(n),
            Value::Float(x) => Key::Float(x),
            Value::Text(text) => Key::Text(text),
            Value::Blob(bytes) => Key::Blob(bytes),
            Value::Json(json) => Key::Json(json),
            Value::Rows(_) => return Err(Error::internal("a query is never ordered by related rows")),
        })
    }

    fn into_value(self) -> Value {
        match self {
            Key::Null => Value::Null,
            Key::Bool(b) => Value::Bool(b),
            Key::Int(n) => Value::Int(n),
            Key::Float(x) => Value::Float(x),
            Key::Text(text) => Value::Text(text),
            Key::Blob(bytes) => Value::Blob(bytes),
            Key::Json(json) => Value::Json(json),
        }
    }
}

impl Cursor {
    fn of(names: &[String], values: Vec<Value>) -> Result<Self> {
        let at = values.into_iter().map(Key::of).collect::<Result<_>>()?;
        let place = Place { order: names.to_vec(), at };
        let json = serde_json::to_vec(&place)
            .map_err(|error| Error::internal(format!("a cursor cannot be written: {error}")))?;
        Ok(Cursor(URL_SAFE_NO_PAD.encode(json)))
    }

    /// The values, if it is a place in this order.
    fn values(&self, names: &[String]) -> Result<Vec<Value>> {
        let place = self.place()?;
        if place.order.len() != place.at.len() || place.order != names {
            return Err(Error::validation(format!(
                "the cursor belongs to a query ordered by ({}), this one is ordered by ({})",
                place.order.join(", "),
                names.join(", ")
            )));
        }
        Ok(place.at.into_iter().map(Key::into_value).collect())
    }

    fn place(&self) -> Result<Place> {
        let json = URL_SAFE_NO_PAD.decode(&self.0).map_err(|_| unreadable())?;
        serde_json::from_slice(&json).map_err(|_| unreadable())
    }
}

fn unreadable() -> Error {
    Error::validation("the cursor is not one that a page came with")
}

/// The keys of an order by name, for messages and to tell orders apart.
fn names(query: &ir::Query, order: &[ir::Order]) -> Vec<String> {
    let name = |ir::Order { expr, descending }: &ir::Order| {
        let direction = if *descending { " desc" } else { "" };
        match expr {
            Expr::Column(column) => format!("{}.{}{direction}", column.table, column.column),
            _ => format!("expression {}{direction}", digest(query, expr)),
        }
    };
    order.iter().map(name).collect()
}

/// The first 32 bits of a hash of the expression as it is asked, constants included, so that two calculations are two
/// orders.
fn digest(query: &ir::Query, expr: &Expr) -> String {
    let joins = query.joins.iter().map(|join| ir::Join { on: Expr::And(Vec::new()), ..join.clone() }).collect();
    let sources = ir::Query { joins, ..ir::Query::of(query.from.clone()) };
    let around = lower::select(Dialect::Sqlite, &ir::Query { select: ir::Select::Count, ..sources.clone() });
    let asked = lower::select(Dialect::Sqlite, &ir::Query { select: ir::Select::Exprs(vec![expr.clone()]), ..sources });
    // What a derived table is asked is no part of the expression, and may be another thing with every page.
    let own = asked.params.len().saturating_sub(around.params.len());
    let hash = Sha256::digest(format!("{}{:?}", asked.sql, &asked.params[..own]));
    hash[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl FromStr for Cursor {
    type Err = Error;
    /// Reads the text of a cursor, which may come from anywhere.
    fn from_str(text: &str) -> Result<Self> {
        let cursor = Cursor(text.to_owned());
        cursor.place()?;
        Ok(cursor)
    }
}
impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<Out: 'static, Sc> Select<Out, Sc> {
    /// The rows behind the one a page ended with; `None` is from the beginning. Comes last: conditions, order and limit
    /// are given before. Not together with `offset`.
    ///
    /// A cursor of a query with another order is refused when the query runs.
    pub fn after(self, cursor: impl Into<Option<Cursor>>) -> AnyQuery<Out> {
        self.any().after(cursor)
    }
}

impl<R: 'static> AnyQuery<R> {
    /// The rows behind the one a page ended with, as [`Select::after`].
    pub fn after(self, cursor: impl Into<Option<Cursor>>) -> AnyQuery<R> {
        let Some(cursor) = cursor.into() else { return self };
        self.changed(|query| {
            let order = full_order(query);
            let values = cursor.values(&names(query, &order)).map_err(|error| Fault::new(error.message()))?;
            let condition = behind(query, &order, values);
            match &mut query.group {
                Some(group) => {
                    group.having = Some(match group.having.take() {
                        None => condition,
                        Some(having) => having.and(condition),
                    });
                }
                None => *query = query.clone().filter(condition),
            }
            Ok(())
        })
    }
}

/// The order as it is: what was asked for, then what decides between equal rows.
fn full_order(query: &ir::Query) -> Vec<ir::Order> {
    let ties = query.identity().into_iter().map(|expr| ir::Order { expr, descending: false });
    query.order.iter().cloned().chain(ties).collect()
}

/// Rows behind the place with these values. NULL comes first ascending and last descending.
fn behind(query: &ir::Query, order: &[ir::Order], values: Vec<Value>) -> Expr {
    let mut equal: Vec<Expr> = Vec::new();
    let mut any = Vec::new();
    let mut bound = None;
    for (ir::Order { expr, descending }, value) in order.iter().zip(values) {
        let key = || expr.clone();
        let null = Expr::IsNull(Box::new(key()));
        let than = |op| Expr::compare(op, key(), Expr::Literal(value.clone()));
        let never_null = is_never_null(query, expr);
        let beyond = match (descending, value.is_null()) {
            (false, true) => Some(Expr::Not(Box::new(null))),
            (false, false) => Some(than(CompareOp::Gt)),
            (true, true) => None,
            (true, false) if never_null => Some(than(CompareOp::Lt)),
            (true, false) => Some(than(CompareOp::Lt).or(null)),
        };
        if equal.is_empty() && matches!(expr, Expr::Column(_)) {
            bound = match (descending, value.is_null()) {
                (false, false) => Some(than(CompareOp::Gte)),
                (true, false) if never_null => Some(than(CompareOp::Lte)),
                _ => None,
            };
        }
        if let Some(beyond) = beyond {
            any.push(Expr::And(equal.iter().cloned().chain([beyond]).collect()));
        }
        equal.push(Expr::compare(CompareOp::Is, key(), Expr::Literal(value)));
    }
    match bound {
        // Follows from the rest. Databases find no place in an index by alternatives, but by this: a late page does not
        // walk over all rows before it.
        Some(bound) if any.len() > 1 => bound.and(Expr::Or(any)),
        _ => Expr::Or(any),
    }
}

/// Whether the key is a column that has a value in every row.
fn is_never_null(query: &ir::Query, key: &Expr) -> bool {
    let Expr::Column(column) = key else { return false };
    let joined = query.joins.iter().filter(|join| !join.left).map(|join| &join.source);
    let source = std::iter::once(&query.from).chain(joined).find(|source| source.name == column.table);
    let found = source.and_then(|source| source.as_table()?.column(column.column));
    found.is_some_and(|column| !column.nullable)
}

/// A page: as many rows as the query's limit says, and where the next one begins.
///
/// # Errors
/// Those of [`Query::ir`].
pub fn page<Q: Query>(query: Q) -> Result<Read<Page<Q::Row>>> {
    let mut ir = query.ir()?.clone();
    let rows = usize::try_from(ir.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let order = full_order(&ir);
    let names = names(&ir, &order);
    if ir.select == ir::Select::Count || (ir.distinct && ir.select == ir::Select::Row) {
        return Err(Error::validation("a count, and whole rows that are made distinct, have no pages"));
    }
    // One row more tells whether there is a next page. Its values and those of the order are hidden behind the selected.
    ir.limit = ir.limit.map(|limit| limit.saturating_add(1));
    let width = ir.width();
    let mut exprs = match std::mem::replace(&mut ir.select, ir::Select::Row) {
        ir::Select::Exprs(exprs) => exprs,
        ir::Select::Row | ir::Select::Count => ir.columns(),
    };
    // Of a distinct query the keys are selected already: more values would make more rows.
    let places: Vec<usize> = order
        .iter()
        .map(|key| match exprs.iter().position(|expr| *expr == key.expr) {
            Some(at) => at,
            None => {
                exprs.push(key.expr.clone());
                exprs.len() - 1
            }
        })
        .collect();
    let hidden = width..exprs.len();
    ir.select = ir::Select::Exprs(exprs);
    Ok(Read::new(ir, move |answer| {
        let more = answer.len() > rows;
        let mut answer: Vec<Row> = answer.into_iter().take(rows).collect();
        let next = match answer.last().filter(|_| more) {
            None => None,
            Some(row) => {
                let values = places.iter().map(|at| row.get(*at).cloned().unwrap_or(Value::Null)).collect();
                Some(Cursor::of(&names, values)?)
            }
        };
        for row in &mut answer {
            let end = hidden.end.min(row.len());
            row.drain(hidden.start.min(end)..end);
        }
        let rows = answer.into_iter().map(|row| query.decode(row)).collect::<Result<_>>()?;
        Ok(Page { rows, next })
    }))
}
