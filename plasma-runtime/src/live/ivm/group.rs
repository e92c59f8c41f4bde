//! Groups: one row for each, with the values that its rows are folded into.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bound::{self, Bound};
use super::key::{Flow, Key, SharedRow};
use crate::error::{Error, Result};
use crate::query::ir::Aggregate;
use crate::query::numeric::Sum;
use crate::value::Value;

/// Folds rows into groups. Out come rows that begin as one of the group's (what is asked of it is the same in all), then
/// have the aggregates, and end with the keys.
#[derive(Debug)]
pub(super) struct Grouping {
    /// What the rows of a group agree in; first of all the part they belong to.
    pub(super) keys: Vec<Bound>,
    pub(super) aggregates: Vec<(Aggregate, Option<Bound>)>,
    /// How many values a row has.
    pub(super) width: usize,
    /// There is one group also without rows. It is there from the beginning.
    pub(super) always: bool,
    groups: BTreeMap<Key, Group>,
    begun: bool,
}

#[derive(Debug)]
struct Group {
    rows: i64,
    like: SharedRow,
    folded: Vec<Folded>,
    /// The group's row, as it came out last.
    shown: Option<SharedRow>,
    /// Rows of it come or go in this transaction.
    touched: bool,
}

/// What the values of a group are folded into.
#[derive(Debug)]
enum Folded {
    Count(i64),
    Sum(Sum),
    /// Each different value and how often it is there. The smallest and the greatest may go at any time.
    Values(BTreeMap<Key, i64>),
}

impl Grouping {
    pub(super) fn new(
        keys: Vec<Bound>,
        aggregates: Vec<(Aggregate, Option<Bound>)>,
        width: usize,
        always: bool,
    ) -> Self {
        Grouping { keys, aggregates, width, always, groups: BTreeMap::new(), begun: false }
    }

    /// The one group of no rows.
    pub(super) fn nothing(&self) -> Result<SharedRow> {
        let keys = Key(vec![Value::Null; self.keys.len()].into());
        self.row(&keys, &self.empty(vec![Value::Null; self.width].into()))
    }

    fn empty(&self, like: SharedRow) -> Group {
        let folded = self.aggregates.iter().map(|(function, _)| match function {
            Aggregate::Count => Folded::Count(0),
            Aggregate::Sum | Aggregate::Avg => Folded::Sum(Sum::default()),
            Aggregate::CountDistinct | Aggregate::Min | Aggregate::Max => Folded::Values(BTreeMap::new()),
        });
        Group { rows: 0, like, folded: folded.collect(), shown: None, touched: false }
    }

    fn row(&self, key: &Key, group: &Group) -> Result<SharedRow> {
        let mut row = Vec::with_capacity(group.like.len() + self.aggregates.len() + key.0.len());
        row.extend_from_slice(&group.like);
        for ((function, _), folded) in self.aggregates.iter().zip(&group.folded) {
            row.push(match (function, folded) {
                (Aggregate::Avg, Folded::Sum(sum)) => sum.mean()?,
                (_, Folded::Sum(sum)) => sum.sum()?,
                (_, Folded::Count(count)) => Value::Int(*count),
                (Aggregate::CountDistinct, Folded::Values(values)) => {
                    Value::Int(i64::try_from(values.len()).unwrap_or(i64::MAX))
                }
                (Aggregate::Max, Folded::Values(values)) => end(values.last_key_value()),
                (_, Folded::Values(values)) => end(values.first_key_value()),
            });
        }
        row.extend_from_slice(&key.0);
        Ok(row.into())
    }

    /// What the rows that come and go make of the groups.
    pub(super) fn advance(&mut self, flow: Flow) -> Result<Flow> {
        let mut touched: Vec<Key> = Vec::with_capacity(flow.len());
        if self.always && !self.begun {
            let nothing = self.empty(vec![Value::Null; self.width].into());
            self.groups.insert(Key::default(), Group { touched: true, ..nothing });
            touched.push(Key::default());
        }
        self.begun = true;
        for (row, weight) in flow {
            let key = Key::of(bound::values(&self.keys, &row)?);
            if !self.groups.contains_key(&key) {
                let group = self.empty(row.clone());
                self.groups.insert(key.clone(), group);
            }
            let Some(group) = self.groups.get_mut(&key) else { return Err(Error::internal("a group is missing")) };
            if group.rows == 0 {
                group.like = row.clone();
            }
            group.rows += weight;
            for ((_, expr), folded) in self.aggregates.iter().zip(&mut group.folded) {
                folded.take(expr.as_ref(), &row, weight)?;
            }
            if !std::mem::replace(&mut group.touched, true) {
                touched.push(key);
            }
        }
        let mut units = Vec::with_capacity(touched.len() * 2);
        for key in touched {
            let Some(group) = self.groups.get(&key) else { return Err(Error::internal("a group is missing")) };
            if group.rows < 0 {
                return Err(Error::internal("a row went that had not come"));
            }
            let stays = group.rows > 0 || self.always;
            let after = if stays { Some(self.row(&key, group)?) } else { None };
            let before = match self.groups.get_mut(&key) {
                Some(group) if stays => {
                    group.touched = false;
                    std::mem::replace(&mut group.shown, after.clone())
                }
                _ => self.groups.remove(&key).and_then(|group| group.shown),
            };
            if before == after {
                continue;
            }
            units.extend(before.map(|row| (row, -1)));
            units.extend(after.map(|row| (row, 1)));
        }
        Ok(units)
    }

    /// How many groups and values are held.
    pub(super) fn held(&self) -> usize {
        let values = |folded: &Folded| if let Folded::Values(values) = folded { values.len() } else { 0 };
        self.groups.values().map(|group| 1 + group.folded.iter().map(values).sum::<usize>()).sum()
    }
}

fn end(entry: Option<(&Key, &i64)>) -> Value {
    entry.and_then(|(key, _)| key.0.first()).cloned().unwrap_or(Value::Null)
}

impl Folded {
    fn take(&mut self, expr: Option<&Bound>, row: &Arc<[Value]>, weight: i64) -> Result<()> {
        let value = expr.map(|expr| expr.value(row)).transpose()?;
        match (self, value) {
            (Folded::Count(count), None) => *count += weight,
            (_, None) => return Err(Error::internal("an aggregate of nothing")),
            (_, Some(value)) if value.is_null() => {}
            (Folded::Count(count), Some(_)) => *count += weight,
            (Folded::Sum(sum), Some(value)) => {
                for _ in 0..weight.unsigned_abs() {
                    if weight > 0 { sum.add(&value)? } else { sum.subtract(&value)? }
                }
            }
            (Folded::Values(values), Some(value)) => {
                let key = Key::of(vec![value.into_owned()]);
                let count = values.entry(key.clone()).or_default();
                *count += weight;
                if *count == 0 {
                    values.remove(&key);
                }
            }
        }
        Ok(())
    }
}
