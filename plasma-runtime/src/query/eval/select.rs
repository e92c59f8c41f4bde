//! What a query returns: selected, ordered, cut, with related rows.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::frame::{Frame, Scope};
use super::group::Unit;
use super::{Evaluator, Key};
use crate::error::{Error, Result};
use crate::query::ir::{Expr, Nested, Query, Select};
use crate::value::compare::compare;
use crate::value::{Row, Value};

impl<'q> Evaluator<'q, '_> {
    pub(super) fn select(&mut self, query: &'q Query, outer: Option<&Frame<'_>>) -> Result<Vec<Row>> {
        if query.select == Select::Count {
            let all = self.units(query, outer)?.len();
            let count = window(query, all).len();
            return Ok(vec![vec![Value::Int(i64::try_from(count).unwrap_or(i64::MAX))]]);
        }
        let units = self.ordered(query, outer)?;
        self.results(query, &units[window(query, units.len())], outer)
    }

    /// The value of each expression.
    pub(super) fn values(&mut self, exprs: &'q [Expr], frame: &Frame<'_>) -> Result<Row> {
        exprs.iter().map(|expr| self.value(expr, Some(frame)).map(Cow::into_owned)).collect()
    }

    /// What is selected of a row or a group.
    pub(super) fn shown(&mut self, query: &'q Query, unit: &Unit, outer: Option<&Frame<'_>>) -> Result<Row> {
        match (&unit.shown, &query.select) {
            (Some(shown), _) => Ok(shown.clone()),
            (None, Select::Exprs(exprs)) => self.values(exprs, &unit.frame(query, outer)),
            (None, Select::Row) if query.group.is_none() => Ok(unit.row.clone()),
            (None, Select::Row) => Err(Error::internal("a grouped query has no whole rows")),
            (None, Select::Count) => Err(Error::internal("a count has no rows of its own")),
        }
    }

    /// The result rows of a query, in order, before its cut.
    pub(super) fn ordered(&mut self, query: &'q Query, outer: Option<&Frame<'_>>) -> Result<Vec<Unit>> {
        let mut units = self.units(query, outer)?;
        if query.distinct {
            units = self.without_repetitions(query, units, outer)?;
        }
        let mut keyed = Vec::with_capacity(units.len());
        for unit in units {
            let frame = unit.frame(query, outer);
            let mut keys = Vec::with_capacity(query.order.len());
            for order in &query.order {
                keys.push(self.value(&order.expr, Some(&frame))?.into_owned());
            }
            // What decides between equals, unless it is in the row.
            let identity = match (&unit.shown, &query.select, &query.group) {
                (Some(shown), Select::Exprs(_), _) => shown.clone(),
                (_, _, Some(group)) => self.values(&group.keys, &frame)?,
                _ => Vec::new(),
            };
            keyed.push((keys, Key(identity), unit));
        }
        let in_row = query.group.is_none() && (query.select == Select::Row || !query.distinct);
        let positions = if in_row { identity(query) } else { Vec::new() };
        keyed.sort_by(|(a, a_identity, a_unit), (b, b_identity, b_unit)| {
            let given = query.order.iter().zip(a.iter().zip(b));
            given
                .map(|(order, (a, b))| if order.descending { compare(b, a) } else { compare(a, b) })
                .chain(std::iter::once_with(|| a_identity.cmp(b_identity)))
                .chain(positions.iter().map(|at| compare(&a_unit.row[*at], &b_unit.row[*at])))
                .find(|ordering| ordering.is_ne())
                .unwrap_or(Ordering::Equal)
        });
        Ok(keyed.into_iter().map(|(_, _, unit)| unit).collect())
    }

    /// The selected values of these rows, and what is related to each.
    fn results(&mut self, query: &'q Query, units: &[Unit], outer: Option<&Frame<'_>>) -> Result<Vec<Row>> {
        let mut rows = Vec::with_capacity(units.len());
        for unit in units {
            rows.push(self.shown(query, unit, outer)?);
        }
        for nested in &query.nested {
            for (row, related) in rows.iter_mut().zip(self.related(query, nested, units)?) {
                row.push(Value::Rows(related));
            }
        }
        Ok(rows)
    }

    /// The related rows of each parent. The query runs once; what it finds is dealt out, in its order, then cut.
    fn related(&mut self, query: &'q Query, nested: &'q Nested, parents: &[Unit]) -> Result<Vec<Vec<Row>>> {
        let missing = || Error::internal(format!("there is no column `{}` to relate rows by", nested.column));
        let column = nested.query.from.column_index(nested.column).ok_or_else(missing)?;
        let mut children: Vec<Option<Unit>> = self.ordered(&nested.query, None)?.into_iter().map(Some).collect();
        let mut by_value: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (at, child) in children.iter().flatten().enumerate() {
            if !child.row[column].is_null() {
                by_value.entry(Key(vec![child.row[column].clone()])).or_default().push(at);
            }
        }
        // Each parent's children, as positions among those that any parent has.
        let mut wanted = Vec::new();
        let mut moved: BTreeMap<usize, usize> = BTreeMap::new();
        let mut families: Vec<Vec<usize>> = Vec::with_capacity(parents.len());
        for parent in parents {
            let value = Frame::column(Some(&parent.frame(query, None)), &nested.parent)?.clone();
            let family = by_value.get(&Key(vec![value])).map_or(&[][..], |all| &all[window(&nested.query, all.len())]);
            let mut positions = Vec::with_capacity(family.len());
            for at in family {
                positions.push(*moved.entry(*at).or_insert_with(|| {
                    wanted.extend(children[*at].take());
                    wanted.len() - 1
                }));
            }
            families.push(positions);
        }
        let rows = self.results(&nested.query, &wanted, None)?;
        Ok(families.into_iter().map(|family| family.into_iter().map(|at| rows[at].clone()).collect()).collect())
    }
}

/// Which of so many rows the cut leaves.
pub(super) fn window(query: &Query, rows: usize) -> std::ops::Range<usize> {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let from = query.offset.map_or(0, number).min(rows);
    from..query.limit.map_or(rows, |limit| from.saturating_add(number(limit)).min(rows))
}

/// Where in the joined row the values are that tell it from others.
fn identity(query: &Query) -> Vec<usize> {
    let position = |expr: Expr| match expr {
        Expr::Column(column) => Scope::Query(query).position(&column),
        _ => None,
    };
    query.identity().into_iter().filter_map(position).collect()
}
