//! Queries inside of expressions.

use super::Evaluator;
use super::frame::Frame;
use super::select::window;
use crate::error::{Error, Result};
use crate::query::ir::{Query, Select};
use crate::value::Value;
use crate::value::compare::compare;

/// The values an `IN (SELECT ..)` looks into.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members {
    /// Ascending, without NULL.
    sorted: Vec<Value>,
    null: bool,
}

impl Members {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        let all = values.len();
        let mut sorted: Vec<_> = values.into_iter().filter(|value| !value.is_null()).collect();
        let null = sorted.len() < all;
        sorted.sort_by(compare);
        Members { sorted, null }
    }

    /// SQL's `IN`: nothing is in an empty set, NULL is not known to be in any other.
    pub(crate) fn contain(&self, value: &Value) -> Option<bool> {
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

impl<'q> Evaluator<'q, '_> {
    pub(super) fn exists(&mut self, query: &'q Query, outer: Option<&Frame<'_>>) -> Result<bool> {
        if let Some((_, known)) = self.existing.iter().find(|(seen, _)| std::ptr::eq(*seen, query)) {
            return Ok(*known);
        }
        let (limit, offset) = (query.limit.unwrap_or(u64::MAX), query.offset.unwrap_or(0));
        let found = if query.select == Select::Count {
            // A count always is one row.
            true
        } else if limit == 0 {
            false
        } else if query.group.is_none() && !query.distinct {
            self.matching(query, outer, offset.saturating_add(1))?.len() as u64 > offset
        } else {
            let mut units = self.units(query, outer)?;
            if query.distinct {
                units = self.without_repetitions(query, units, outer)?;
            }
            units.len() as u64 > offset
        };
        if !query.is_correlated() {
            self.existing.push((query, found));
        }
        Ok(found)
    }

    pub(super) fn is_member(
        &mut self,
        value: &Value,
        query: &'q Query,
        outer: Option<&Frame<'_>>,
    ) -> Result<Option<bool>> {
        if let Some((_, members)) = self.selected.iter().find(|(seen, _)| std::ptr::eq(*seen, query)) {
            return Ok(members.contain(value));
        }
        one_value(query)?;
        let values = self.select(query, outer)?.into_iter().flatten().collect();
        let members = Members::new(values);
        let answer = members.contain(value);
        if !query.is_correlated() {
            self.selected.push((query, members));
        }
        Ok(answer)
    }

    /// The value of the first row.
    pub(super) fn scalar(&mut self, query: &'q Query, outer: Option<&Frame<'_>>) -> Result<Value> {
        if let Some((_, value)) = self.scalars.iter().find(|(seen, _)| std::ptr::eq(*seen, query)) {
            return Ok(value.clone());
        }
        one_value(query)?;
        let first = if query.select == Select::Count {
            self.select(query, outer)?.pop()
        } else {
            let units = self.ordered(query, outer)?;
            match units.get(window(query, units.len()).start) {
                Some(unit) if query.limit != Some(0) => Some(self.shown(query, unit, outer)?),
                _ => None,
            }
        };
        let value = first.and_then(|mut row| row.pop()).unwrap_or(Value::Null);
        if !query.is_correlated() {
            self.scalars.push((query, value.clone()));
        }
        Ok(value)
    }
}

fn one_value(query: &Query) -> Result<()> {
    match query.width() {
        1 => Ok(()),
        width => Err(Error::internal(format!("a sub-query that stands for a value selects one, not {width}"))),
    }
}
