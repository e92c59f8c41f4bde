//! Which queries a row concerns, found without asking each of them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::ivm::{Interest, Key, Range, What};
use crate::value::Value;
use crate::value::compare::compare;

/// The queries by what they are interested in. A query has a number.
#[derive(Debug, Default)]
pub(super) struct Routes {
    tables: BTreeMap<&'static str, TableRoutes>,
}

#[derive(Debug, Default)]
struct TableRoutes {
    all: Vec<u64>,
    /// By column, then by value.
    equal: BTreeMap<usize, BTreeMap<Key, Vec<u64>>>,
    /// By column.
    ranges: BTreeMap<usize, Ranges>,
}

impl Routes {
    pub(super) fn add(&mut self, query: u64, interests: &[Interest]) {
        for interest in interests {
            let routes = self.tables.entry(interest.table).or_default();
            match &interest.what {
                What::All => routes.all.push(query),
                What::Equal(column, values) => {
                    let column = routes.equal.entry(*column).or_default();
                    for value in values {
                        column.entry(Key::one(value)).or_default().push(query);
                    }
                }
                What::Range(column, range) => routes.ranges.entry(*column).or_default().add(query, range.clone()),
            }
        }
    }

    pub(super) fn remove(&mut self, query: u64, interests: &[Interest]) {
        for interest in interests {
            let Some(routes) = self.tables.get_mut(interest.table) else { continue };
            match &interest.what {
                What::All => routes.all.retain(|other| *other != query),
                What::Equal(column, values) => {
                    let Some(column) = routes.equal.get_mut(column) else { continue };
                    for value in values {
                        let key = Key::one(value);
                        if let Some(queries) = column.get_mut(&key) {
                            queries.retain(|other| *other != query);
                            if queries.is_empty() {
                                column.remove(&key);
                            }
                        }
                    }
                }
                What::Range(column, _) => {
                    if let Some(ranges) = routes.ranges.get_mut(column) {
                        ranges.remove(query);
                    }
                }
            }
        }
    }

    /// Calls `found` for every query that a row of the table concerns, some maybe twice.
    pub(super) fn find(&self, table: &str, row: &[Value], found: &mut dyn FnMut(u64)) {
        let Some(routes) = self.tables.get(table) else { return };
        routes.all.iter().for_each(|query| found(*query));
        for (column, values) in &routes.equal {
            let queries =
                row.get(*column).filter(|value| !value.is_null()).and_then(|value| values.get(&Key::one(value)));
            queries.into_iter().flatten().for_each(|query| found(*query));
        }
        for (column, ranges) in &routes.ranges {
            if let Some(value) = row.get(*column).filter(|value| !value.is_null()) {
                ranges.find(value, found);
            }
        }
    }
}

/// Ranges, and those a value is in: an interval tree, balanced because it is made anew when ranges were added or removed
/// (Cormen, Leiserson, Rivest, Stein, "Introduction to Algorithms", section 17.3).
#[derive(Debug, Default)]
struct Ranges {
    ranges: Vec<(Range, u64)>,
    tree: OnceLock<Tree>,
}

/// The ranges by where they begin; the middle of every part is its root.
#[derive(Debug)]
struct Tree {
    sorted: Vec<(Range, u64)>,
    /// For every root, the range of its part that ends last; none is without an end.
    last: Vec<Option<Value>>,
}

impl Ranges {
    fn add(&mut self, query: u64, range: Range) {
        self.ranges.push((range, query));
        self.tree = OnceLock::new();
    }

    fn remove(&mut self, query: u64) {
        self.ranges.retain(|(_, other)| *other != query);
        self.tree = OnceLock::new();
    }

    fn find(&self, value: &Value, found: &mut dyn FnMut(u64)) {
        let tree = self.tree.get_or_init(|| Tree::new(self.ranges.clone()));
        tree.find(0, tree.sorted.len(), value, found);
    }
}

impl Tree {
    fn new(mut sorted: Vec<(Range, u64)>) -> Self {
        let begin = |range: &Range| range.from.as_ref().map_or(Value::Null, |(value, _)| value.clone());
        sorted.sort_by(|(a, _), (b, _)| compare(&begin(a), &begin(b)));
        let mut tree = Tree { last: vec![None; sorted.len()], sorted };
        tree.measure(0, tree.sorted.len());
        tree
    }

    /// Fills in where the ranges of a part end; the inner none is without an end, the outer none an empty part.
    fn measure(&mut self, from: usize, to: usize) -> Option<Option<Value>> {
        if from >= to {
            return None;
        }
        let root = from.midpoint(to);
        let own = self.sorted[root].0.to.as_ref().map(|(value, _)| value.clone());
        let parts = [self.measure(from, root), self.measure(root + 1, to)];
        let later = |a: Option<Value>, b: Option<Value>| match (a, b) {
            (Some(a), Some(b)) => Some(if compare(&a, &b).is_ge() { a } else { b }),
            _ => None,
        };
        let last = parts.into_iter().flatten().fold(own, later);
        self.last[root] = last.clone();
        Some(last)
    }

    fn find(&self, from: usize, to: usize, value: &Value, found: &mut dyn FnMut(u64)) {
        if from >= to {
            return;
        }
        let root = from.midpoint(to);
        if self.last[root].as_ref().is_some_and(|last| compare(last, value).is_lt()) {
            return;
        }
        self.find(from, root, value, found);
        let (range, query) = &self.sorted[root];
        if range.contains(value) {
            found(*query);
        }
        // What begins behind the value does not contain it.
        if range.from.as_ref().is_none_or(|(begin, _)| compare(begin, value).is_le()) {
            self.find(root + 1, to, value, found);
        }
    }
}
