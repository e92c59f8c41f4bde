//! Groups and what becomes of their values.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::frame::{Frame, Scope};
use super::{Evaluator, Key};
use crate::error::{Error, Result};
use crate::query::ir::{Aggregate, Expr, Group, Query, Source};
use crate::query::numeric::Sum;
use crate::value::compare::compare;
use crate::value::{Row, Value};

/// What one result row is made of.
pub(super) struct Unit {
    /// The row; of a group the first, or NULLs when it has none.
    pub(super) row: Row,
    /// The rows of the group.
    pub(super) group: Option<Vec<Row>>,
    /// What is selected, when that had to be known before.
    pub(super) shown: Option<Row>,
}

impl Unit {
    pub(super) fn frame<'f>(&'f self, query: &'f Query, outer: Option<&'f Frame<'f>>) -> Frame<'f> {
        Frame { scope: Scope::Query(query), row: &self.row, group: self.group.as_deref(), outer }
    }
}

impl<'q> Evaluator<'q, '_> {
    /// The matching rows, or what they are folded into.
    pub(super) fn units(&mut self, query: &'q Query, outer: Option<&Frame<'_>>) -> Result<Vec<Unit>> {
        let rows = self.matching(query, outer, u64::MAX)?;
        let Some(group) = &query.group else {
            return Ok(rows.into_iter().map(|row| Unit { row, group: None, shown: None }).collect());
        };
        let mut units = Vec::new();
        for rows in self.folded(query, group, rows, outer)? {
            let nothing = || vec![Value::Null; query.sources().map(Source::width).sum()];
            let unit = Unit { row: rows.first().cloned().unwrap_or_else(nothing), group: Some(rows), shown: None };
            let kept = match &group.having {
                Some(having) => self.truth(having, Some(&unit.frame(query, outer)))? == Some(true),
                None => true,
            };
            if kept {
                units.push(unit);
            }
        }
        Ok(units)
    }

    fn folded(
        &mut self,
        query: &'q Query,
        group: &'q Group,
        rows: Vec<Row>,
        outer: Option<&Frame<'_>>,
    ) -> Result<Vec<Vec<Row>>> {
        if group.keys.is_empty() {
            return Ok(vec![rows]);
        }
        let mut groups: BTreeMap<Key, Vec<Row>> = BTreeMap::new();
        for row in rows {
            let frame = Frame { scope: Scope::Query(query), row: &row, group: None, outer };
            let key = self.values(&group.keys, &frame)?;
            groups.entry(Key(key)).or_default().push(row);
        }
        Ok(groups.into_values().collect())
    }

    /// Equal result rows once.
    pub(super) fn without_repetitions(
        &mut self,
        query: &'q Query,
        units: Vec<Unit>,
        outer: Option<&Frame<'_>>,
    ) -> Result<Vec<Unit>> {
        let mut seen = BTreeSet::new();
        let mut kept = Vec::new();
        for mut unit in units {
            let shown = self.shown(query, &unit, outer)?;
            if seen.insert(Key(shown.clone())) {
                unit.shown = Some(shown);
                kept.push(unit);
            }
        }
        Ok(kept)
    }

    pub(super) fn aggregate(
        &mut self,
        function: Aggregate,
        expr: Option<&'q Expr>,
        frame: Option<&Frame<'_>>,
    ) -> Result<Value> {
        let Some((frame, rows)) = frame.and_then(|frame| Some((frame, frame.group?))) else {
            return Err(Error::internal(format!("`{function:?}` stands outside of a grouped query")));
        };
        let Some(expr) = expr else {
            return match function {
                Aggregate::Count => Ok(count(rows.len())),
                _ => Err(Error::internal(format!("`{function:?}` of nothing"))),
            };
        };
        let mut values = Vec::new();
        for row in rows {
            let frame = Frame { row, group: None, ..*frame };
            let value = self.value(expr, Some(&frame))?;
            if !value.is_null() {
                values.push(value.into_owned());
            }
        }
        match function {
            Aggregate::Count => Ok(count(values.len())),
            Aggregate::CountDistinct => {
                values.sort_by(compare);
                values.dedup_by(|a, b| compare(a, b) == Ordering::Equal);
                Ok(count(values.len()))
            }
            Aggregate::Sum => sum(&values)?.sum(),
            Aggregate::Avg => sum(&values)?.mean(),
            Aggregate::Min => Ok(values.into_iter().min_by(compare).unwrap_or(Value::Null)),
            Aggregate::Max => Ok(values.into_iter().max_by(compare).unwrap_or(Value::Null)),
        }
    }
}

fn sum(values: &[Value]) -> Result<Sum> {
    let mut sum = Sum::default();
    values.iter().try_for_each(|value| sum.add(value))?;
    Ok(sum)
}

fn count(count: usize) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}
