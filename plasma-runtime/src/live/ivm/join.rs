//! Joins. Each side is kept by the values it is joined by, so that a change finds its matches at once.
//!
//! The changes of one source pass all joins before those of the next begin: whoever is joined to them sees the other side
//! with the changes that passed before and without those that follow, so that a pair whose both sides change is counted
//! once. (The product rule of incremental joins: Blakeley, Larson, Tompa, "Efficiently updating materialized views",
//! SIGMOD 1986.)

use std::collections::BTreeMap;

use super::bound::{self, Bound, satisfies};
use super::key::{Flow, Key, SharedRow, beginning, beginning_mut};
use crate::error::{Error, Result};
use crate::value::Value;

/// A source joined to those before it.
#[derive(Debug)]
pub(super) struct Join {
    /// A row without a match stays.
    pub(super) outer: bool,
    /// What must be equal: over the rows so far, and over those of the source.
    pub(super) left_keys: Vec<Bound>,
    pub(super) right_keys: Vec<Bound>,
    /// What else must hold, over both.
    pub(super) residual: Vec<Bound>,
    /// How many values a row of the source has.
    pub(super) width: usize,
    /// What tells the rows of a side apart: places in them.
    pub(super) identity: (Vec<usize>, Vec<usize>),
    left: BTreeMap<Key, Left>,
    right: BTreeMap<Key, (SharedRow, i64)>,
}

#[derive(Debug)]
struct Left {
    row: SharedRow,
    count: i64,
    /// How many rows it is joined to.
    matches: i64,
}

impl Join {
    pub(super) fn new(
        outer: bool,
        keys: (Vec<Bound>, Vec<Bound>),
        residual: Vec<Bound>,
        width: usize,
        identity: (Vec<usize>, Vec<usize>),
    ) -> Self {
        let (left_keys, right_keys) = keys;
        Join { outer, left_keys, right_keys, residual, width, identity, left: BTreeMap::new(), right: BTreeMap::new() }
    }

    /// Rows of the sources so far.
    pub(super) fn take_left(&mut self, flow: Flow) -> Result<Flow> {
        let mut joined = Flow::with_capacity(flow.len());
        for (row, weight) in flow {
            let by = Key::of(bound::values(&self.left_keys, &row)?);
            let mut matches = 0;
            if !by.has_null() {
                for (_, (other, count)) in beginning(&self.right, &by) {
                    let both = pair(&row, other);
                    if satisfies(&self.residual, &both)? {
                        joined.push((both, weight * count));
                        matches += count;
                    }
                }
            }
            if self.outer && matches == 0 {
                joined.push((self.alone(&row), weight));
            }
            let key = by.and(self.identity.0.iter().filter_map(|at| row.get(*at)));
            let left = self.left.entry(key.clone()).or_insert_with(|| Left { row, count: 0, matches });
            left.count += weight;
            match left.count {
                0 => drop(self.left.remove(&key)),
                ..0 => return Err(Error::internal("a row went that had not come")),
                _ => {}
            }
        }
        Ok(joined)
    }

    /// Rows of the source.
    pub(super) fn take_right(&mut self, flow: Flow) -> Result<Flow> {
        let mut joined = Flow::with_capacity(flow.len());
        for (row, weight) in flow {
            let by = Key::of(bound::values(&self.right_keys, &row)?);
            if by.has_null() {
                continue;
            }
            for (_, left) in beginning_mut(&mut self.left, &by) {
                let both = pair(&left.row, &row);
                if !satisfies(&self.residual, &both)? {
                    continue;
                }
                let before = left.matches;
                left.matches += weight;
                let alone = || {
                    let nothing = std::iter::repeat_n(&Value::Null, self.width);
                    left.row.iter().chain(nothing).cloned().collect::<SharedRow>()
                };
                if self.outer && before == 0 {
                    joined.push((alone(), -left.count));
                }
                joined.push((both, weight * left.count));
                if self.outer && left.matches == 0 {
                    joined.push((alone(), left.count));
                }
            }
            let key = by.and(self.identity.1.iter().filter_map(|at| row.get(*at)));
            let (_, count) = self.right.entry(key.clone()).or_insert((row, 0));
            *count += weight;
            match *count {
                0 => drop(self.right.remove(&key)),
                ..0 => return Err(Error::internal("a row went that had not come")),
                _ => {}
            }
        }
        Ok(joined)
    }

    fn alone(&self, row: &SharedRow) -> SharedRow {
        row.iter().chain(std::iter::repeat_n(&Value::Null, self.width)).cloned().collect()
    }

    pub(super) fn held_left(&self) -> usize {
        self.left.len()
    }

    pub(super) fn held_right(&self) -> usize {
        self.right.len()
    }

    /// How many different values the rows of the sources so far are joined by.
    pub(super) fn left_values(&self) -> usize {
        distinct_beginnings(self.left.keys(), self.left_keys.len())
    }

    /// The same of the rows of the source.
    pub(super) fn right_values(&self) -> usize {
        distinct_beginnings(self.right.keys(), self.right_keys.len())
    }

    /// How many rows are held.
    pub(super) fn held(&self) -> usize {
        self.left.len() + self.right.len()
    }
}

fn pair(left: &SharedRow, right: &SharedRow) -> SharedRow {
    left.iter().chain(right.iter()).cloned().collect()
}

fn distinct_beginnings<'k>(keys: impl Iterator<Item = &'k Key>, len: usize) -> usize {
    let mut last: Option<Key> = None;
    let mut count = 0;
    for key in keys {
        if !last.as_ref().is_some_and(|last| key.begins_with(last)) {
            count += 1;
            last = Some(Key(key.0[..len.min(key.0.len())].into()));
        }
    }
    count
}
