//! Queries and conditions evaluated in memory, with the same answers as the SQL of [`lower`](super::lower).
//!
//! Rows come from a [`RowSource`]. Conditions follow SQL's three-valued logic: `None` is unknown. All comparisons and all
//! orders are those of [`compare`](crate::value::compare), all calculations those of [`numeric`](super::numeric).
//!
//! **Errors of calculations.** A calculation that leaves its range is an
//! [`Overflow`](crate::ErrorKind::Overflow) wherever it is made. *Whether* it is made may differ: a store is free to
//! filter before it calculates, to stop at a limit, or to look at the second part of an `AND` first. So two stores give
//! the same rows for a query, or at least one of them an overflow; never different rows. Only
//! [`Case`](super::ir::Expr::Case) and [`Coalesce`](super::ir::Function::Coalesce) promise that what is not chosen is not
//! calculated.

mod expr;
mod frame;
mod group;
mod rows;
mod select;
mod source;
mod subquery;
#[cfg(test)]
pub(crate) mod tests;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

#[cfg(any(feature = "client", feature = "http-server"))]
pub(crate) use self::expr::{calculated, compared, has, is_like, truth_of};
use self::frame::{Frame, Scope};
#[cfg(feature = "sqlite")]
pub use self::source::SqlRows;
pub use self::source::{NoTables, RowSource};
#[cfg(any(feature = "client", feature = "http-server"))]
pub(crate) use self::subquery::Members;
#[cfg(not(any(feature = "client", feature = "http-server")))]
use self::subquery::Members;
use super::ir::{Expr, Query};
use crate::error::Result;
use crate::schema::TableDef;
use crate::value::compare::compare;
use crate::value::{Row, Value};

/// Whether a row of `table` matches a condition; `None` is unknown (which a filter takes as no).
///
/// # Errors
/// What the source fails with; [`Overflow`](crate::ErrorKind::Overflow) of a calculation;
/// [`Internal`](crate::ErrorKind::Internal) when the condition names a column that is not in scope.
pub fn matches(
    expr: &Expr,
    table: &'static TableDef,
    row: &[Value],
    source: &mut dyn RowSource,
) -> Result<Option<bool>> {
    let frame = Frame { scope: Scope::Table(table), row, group: None, outer: None };
    Evaluator::new(source).truth(expr, Some(&frame))
}

/// The value of an expression over a row of `table`, such as the new value of an update.
///
/// # Errors
/// As [`matches()`].
pub fn value(expr: &Expr, table: &'static TableDef, row: &[Value], source: &mut dyn RowSource) -> Result<Value> {
    let frame = Frame { scope: Scope::Table(table), row, group: None, outer: None };
    Evaluator::new(source).value(expr, Some(&frame)).map(Cow::into_owned)
}

/// The value of an expression over a joined row of `query`, with sub-queries that may look at that row.
///
/// # Errors
/// As [`matches()`].
#[cfg(any(feature = "client", feature = "http-server"))]
pub(crate) fn value_in(expr: &Expr, query: &Query, row: &[Value], source: &mut dyn RowSource) -> Result<Value> {
    let frame = Frame { scope: Scope::Query(query), row, group: None, outer: None };
    Evaluator::new(source).value(expr, Some(&frame)).map(Cow::into_owned)
}

/// Where in a joined row of `query` a column of its own stands.
#[cfg(any(feature = "client", feature = "http-server"))]
pub(crate) fn position(query: &Query, column: &super::ir::ColumnRef) -> Option<usize> {
    Scope::Query(query).position(column)
}

/// The rows of a query, in its order, ties by its [identity](Query::identity). Related rows stand behind the selected
/// values, each list a [`Value::Rows`].
///
/// # Errors
/// As [`matches()`].
pub fn select(query: &Query, source: &mut dyn RowSource) -> Result<Vec<Row>> {
    Evaluator::new(source).select(query, None)
}

/// One evaluation: the source, and what does not depend on the row it is asked for.
struct Evaluator<'q, 's> {
    source: &'s mut dyn RowSource,
    // By the address of the query or list, which is borrowed for as long as the evaluator lives.
    existing: Vec<(&'q Query, bool)>,
    selected: Vec<(&'q Query, Members)>,
    scalars: Vec<(&'q Query, Value)>,
    derived: Vec<(&'q Query, Rc<[Row]>)>,
    lists: Vec<(&'q Vec<Value>, Members)>,
}

impl<'s> Evaluator<'_, 's> {
    fn new(source: &'s mut dyn RowSource) -> Self {
        Evaluator {
            source,
            existing: Vec::new(),
            selected: Vec::new(),
            scalars: Vec::new(),
            derived: Vec::new(),
            lists: Vec::new(),
        }
    }
}

/// Values that rows are sorted or found by, in the order of [`compare`].
#[derive(Debug)]
struct Key(Vec<Value>);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let pairs = self.0.iter().zip(&other.0);
        pairs.map(|(a, b)| compare(a, b)).find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}
