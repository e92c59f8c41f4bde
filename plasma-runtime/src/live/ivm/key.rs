//! Values that rows are found by.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound::{Included, Unbounded};
use std::sync::Arc;

use crate::value::Value;
use crate::value::compare::compare;

/// A row that several places hold.
pub(crate) type SharedRow = Arc<[Value]>;

/// Rows that come (a positive weight) and go (a negative one), in an order in which nothing goes before it came.
pub(super) type Flow = Vec<(SharedRow, i64)>;

/// Values in the order of [`compare`], one after the other; a key comes before the longer ones that begin with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Key(pub(super) Box<[Value]>);

impl Key {
    /// A single value.
    pub(crate) fn one(value: &Value) -> Self {
        Key(Box::new([value.clone()]))
    }

    pub(super) fn of(values: Vec<Value>) -> Self {
        Key(values.into_boxed_slice())
    }

    /// This key and more values.
    pub(super) fn and<'v>(&self, more: impl IntoIterator<Item = &'v Value>) -> Self {
        let mut values = self.0.to_vec();
        values.extend(more.into_iter().cloned());
        Key::of(values)
    }

    pub(super) fn begins_with(&self, prefix: &Key) -> bool {
        self.0.len() >= prefix.0.len() && order(&self.0[..prefix.0.len()], &prefix.0).is_eq()
    }

    /// Equal to NULL is nothing.
    pub(super) fn has_null(&self) -> bool {
        self.0.iter().any(Value::is_null)
    }
}

/// The entries of a map whose keys begin with `prefix`.
pub(super) fn beginning<'m, T>(map: &'m BTreeMap<Key, T>, prefix: &'m Key) -> impl Iterator<Item = (&'m Key, &'m T)> {
    map.range((Included(prefix), Unbounded)).take_while(move |(key, _)| key.begins_with(prefix))
}

/// The same, to be changed.
pub(super) fn beginning_mut<'m, T>(
    map: &'m mut BTreeMap<Key, T>,
    prefix: &'m Key,
) -> impl Iterator<Item = (&'m Key, &'m mut T)> {
    map.range_mut((Included(prefix), Unbounded)).take_while(move |(key, _)| key.begins_with(prefix))
}

fn order(a: &[Value], b: &[Value]) -> Ordering {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| compare(a, b)).find(|ordering| ordering.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        order(&self.0, &other.0)
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
