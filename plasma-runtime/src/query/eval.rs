//! Queries and conditions evaluated in memory, with the same answers as the SQL of [`lower`](super::lower).
//!
//! Rows come from a [`RowSource`]. Conditions follow SQL's three-valued logic: `None` is unknown. All comparisons and all
//! orders are those of [`compare`](crate::value::compare).

mod expr;
mod source;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Ordering;

use self::expr::{Frame, equality};
#[cfg(feature = "sqlite")]
pub use self::source::SqlRows;
pub use self::source::{NoTables, RowSource};
use super::ir::{Expr, Query, Select};
use crate::error::{Error, Result};
use crate::schema::TableDef;
use crate::value::compare::compare;
use crate::value::{Row, Value};

/// Whether a row of `table` matches a condition; `None` is unknown (which a filter takes as no).
///
/// # Errors
/// What the source fails with; [`Internal`](crate::ErrorKind::Internal) when the condition names a column that is not in
/// scope.
pub fn matches(
    expr: &Expr,
    table: &'static TableDef,
    row: &[Value],
    source: &mut dyn RowSource,
) -> Result<Option<bool>> {
    let frame = Frame { table, row, outer: None };
    Evaluator::new(source).truth(expr, Some(&frame))
}

/// The value of an expression over a row of `table`, such as the new value of an update.
///
/// # Errors
/// As [`matches()`].
pub fn value(expr: &Expr, table: &'static TableDef, row: &[Value], source: &mut dyn RowSource) -> Result<Value> {
    let frame = Frame { table, row, outer: None };
    Evaluator::new(source).value(expr, Some(&frame)).map(Cow::into_owned)
}

/// The rows of a query, in its order, ties by `id`.
///
/// # Errors
/// As [`matches()`].
pub fn select(query: &Query, source: &mut dyn RowSource) -> Result<Vec<Row>> {
    Evaluator::new(source).select(query, None)
}

/// One evaluation: the source, and what does not depend on the row it is asked for.
struct Evaluator<'q, 's> {
    source: &'s mut dyn RowSource,
    /// By the address of the sub-query, which is borrowed for as long as the evaluator lives.
    existing: Vec<(&'q Query, bool)>,
    selected: Vec<(&'q Query, Members)>,
    lists: Vec<(&'q Vec<Value>, Members)>,
}

/// The values an `IN (SELECT ..)` looks into.
#[derive(Clone, Default)]
struct Members {
    /// Ascending, without NULL.
    sorted: Vec<Value>,
    null: bool,
}

impl Members {
    fn new(values: Vec<Value>) -> Self {
        let all = values.len();
        let mut sorted: Vec<_> = values.into_iter().filter(|value| !value.is_null()).collect();
        let null = sorted.len() < all;
        sorted.sort_by(compare);
        Members { sorted, null }
    }

    /// SQL's `IN`: nothing is in an empty set, NULL is not known to be in any other.
    fn contain(&self, value: &Value) -> Option<bool> {
        if self.sorted.is_empty() && !self.null {
            return Some(false);
        }
        if value.is_null() {
            return None;
        }
        match self.sorted.binary_search_by(|member| compare(member, value)) {
            Ok(_) => Some(true),
            Err(_) if self.null => None,
            Err(_) => Some(false),
        }
    }
}

impl<'q, 's> Evaluator<'q, 's> {
    fn new(source: &'s mut dyn RowSource) -> Self {
        Evaluator { source, existing: Vec::new(), selected: Vec::new(), lists: Vec::new() }
    }

    /// The rows of the query's table that match its filter, before order and cut; at most `enough` of them.
    fn matching(&mut self, query: &'q Query, outer: Option<&Frame<'_>>, enough: u64) -> Result<Vec<Row>> {
        if enough == 0 {
            return Ok(Vec::new());
        }
        let Some(filter) = &query.filter else {
            return self.source.rows(query.base(), None);
        };
        let hint = match equality(query.base(), filter) {
            Some((column, expr)) => Some((column, self.outside(expr, outer)?)),
            None => None,
        };
        let rows = match &hint {
            // Equal to NULL is nothing.
            Some((_, value)) if value.is_null() => return Ok(Vec::new()),
            Some((column, value)) => self.source.rows(query.base(), Some((column, value)))?,
            None => self.source.rows(query.base(), None)?,
        };
        let mut kept = Vec::new();
        for row in rows {
            let frame = Frame { table: query.base(), row: &row, outer };
            if self.truth(filter, Some(&frame))? == Some(true) {
                kept.push(row);
                if kept.len() as u64 >= enough {
                    break;
                }
            }
        }
        Ok(kept)
    }

    fn select(&mut self, query: &'q Query, outer: Option<&Frame<'_>>) -> Result<Vec<Row>> {
        let mut rows = self.matching(query, outer, u64::MAX)?;
        if query.select == Select::Count {
            let after = (rows.len() as u64).saturating_sub(query.offset.unwrap_or(0));
            let count = after.min(query.limit.unwrap_or(u64::MAX));
            return Ok(vec![vec![Value::Int(i64::try_from(count).unwrap_or(i64::MAX))]]);
        }
        self.sort(query, &mut rows, outer)?;
        let skip = query.offset.map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let take = query.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let cut = rows.into_iter().skip(skip).take(take);
        let Select::Exprs(exprs) = &query.select else {
            return Ok(cut.collect());
        };
        cut.map(|row| {
            let frame = Frame { table: query.base(), row: &row, outer };
            exprs.iter().map(|expr| self.value(expr, Some(&frame)).map(Cow::into_owned)).collect()
        })
        .collect()
    }

    fn sort(&mut self, query: &'q Query, rows: &mut Vec<Row>, outer: Option<&Frame<'_>>) -> Result<()> {
        let id = query.base().id;
        if query.order.is_empty() {
            rows.sort_by(|a, b| compare(&a[id], &b[id]));
            return Ok(());
        }
        let mut keyed = Vec::with_capacity(rows.len());
        for row in rows.drain(..) {
            let frame = Frame { table: query.base(), row: &row, outer };
            let keys: Vec<Value> = query
                .order
                .iter()
                .map(|order| self.value(&order.expr, Some(&frame)).map(Cow::into_owned))
                .collect::<Result<_>>()?;
            keyed.push((keys, row));
        }
        keyed.sort_by(|(a, row_a), (b, row_b)| {
            query
                .order
                .iter()
                .zip(a.iter().zip(b))
                .map(|(order, (a, b))| if order.descending { compare(b, a) } else { compare(a, b) })
                .find(|ordering| *ordering != Ordering::Equal)
                .unwrap_or_else(|| compare(&row_a[id], &row_b[id]))
        });
        rows.extend(keyed.into_iter().map(|(_, row)| row));
        Ok(())
    }

    fn exists(&mut self, query: &'q Query, outer: Option<&Frame<'_>>) -> Result<bool> {
        if let Some((_, known)) = self.existing.iter().find(|(seen, _)| std::ptr::eq(*seen, query)) {
            return Ok(*known);
        }
        let limit = query.limit.unwrap_or(u64::MAX);
        let found = match (&query.select, query.offset.unwrap_or(0)) {
            // A count always is one row.
            (Select::Count, _) => true,
            (_, offset) => limit > 0 && self.matching(query, outer, offset.saturating_add(1))?.len() as u64 > offset,
        };
        if !query.is_correlated() {
            self.existing.push((query, found));
        }
        Ok(found)
    }

    fn is_member(&mut self, value: &Value, query: &'q Query, outer: Option<&Frame<'_>>) -> Result<Option<bool>> {
        if let Some((_, members)) = self.selected.iter().find(|(seen, _)| std::ptr::eq(*seen, query)) {
            return Ok(members.contain(value));
        }
        let rows = self.select(query, outer)?;
        let values = rows
            .into_iter()
            .map(|mut row| match (row.pop(), row.is_empty()) {
                (Some(value), true) => Ok(value),
                _ => Err(Error::internal("the query of an `in_query` selects one expression")),
            })
            .collect::<Result<_>>()?;
        let members = Members::new(values);
        let answer = members.contain(value);
        if !query.is_correlated() {
            self.selected.push((query, members));
        }
        Ok(answer)
    }
}
