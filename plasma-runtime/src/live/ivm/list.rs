//! Rows in their order, found by place and by value.

use std::cmp::Ordering;
use std::sync::Arc;

use super::bound::Bound;
use super::key::SharedRow;
use crate::error::Result;
use crate::value::Value;
use crate::value::compare::compare;

/// How many entries a chunk holds at most. Chunks are split in the middle: an insertion moves at most so many entries.
/// Tests have few rows.
const CHUNK: usize = if cfg!(test) { 4 } else { 512 };

/// The order of a result: the given keys, then what tells the rows apart.
#[derive(Debug)]
pub(super) struct Sorting {
    /// The keys, then the identity.
    pub(super) exprs: Vec<Bound>,
    /// For each key whether the greatest comes first.
    pub(super) descending: Vec<bool>,
}

impl Sorting {
    pub(super) fn of(&self, row: &[Value]) -> Result<Arc<[Value]>> {
        let mut values = Vec::with_capacity(self.exprs.len());
        for expr in &self.exprs {
            values.push(expr.value(row)?.into_owned());
        }
        Ok(values.into())
    }

    pub(super) fn compare(&self, a: &[Value], b: &[Value]) -> Ordering {
        for (at, (a, b)) in a.iter().zip(b).enumerate() {
            let ordering = self.directed(at, compare(a, b));
            if ordering.is_ne() {
                return ordering;
            }
        }
        Ordering::Equal
    }

    /// Where a row stands to an entry, without keeping its keys.
    pub(super) fn place(&self, row: &[Value], entry: &[Value]) -> Result<Ordering> {
        for (at, (expr, other)) in self.exprs.iter().zip(entry).enumerate() {
            let ordering = self.directed(at, compare(&*expr.value(row)?, other));
            if ordering.is_ne() {
                return Ok(ordering);
            }
        }
        Ok(Ordering::Equal)
    }

    fn directed(&self, at: usize, ordering: Ordering) -> Ordering {
        if self.descending.get(at) == Some(&true) { ordering.reverse() } else { ordering }
    }

    /// The part that tells rows apart.
    pub(super) fn identity<'s>(&self, sort: &'s [Value]) -> &'s [Value] {
        &sort[self.descending.len().min(sort.len())..]
    }
}

/// A row of a result, and what it is sorted by.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) sort: Arc<[Value]>,
    pub(super) row: SharedRow,
}

/// Entries in their order.
#[derive(Debug, Default)]
pub(super) struct List {
    chunks: Vec<Vec<Entry>>,
    len: usize,
}

impl List {
    /// Entries that are in order.
    pub(super) fn sorted(entries: Vec<Entry>) -> Self {
        let len = entries.len();
        let mut chunks = Vec::with_capacity(len / (CHUNK / 2) + 1);
        let mut entries = entries.into_iter();
        loop {
            let chunk: Vec<Entry> = entries.by_ref().take(CHUNK / 2).collect();
            if chunk.is_empty() {
                return List { chunks, len };
            }
            chunks.push(chunk);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, mut at: usize) -> Option<&Entry> {
        for chunk in &self.chunks {
            if at < chunk.len() {
                return chunk.get(at);
            }
            at -= chunk.len();
        }
        None
    }

    pub(super) fn last(&self) -> Option<&Entry> {
        self.chunks.last().and_then(|chunk| chunk.last())
    }

    /// The entries from this place on.
    pub(super) fn from(&self, mut at: usize) -> impl Iterator<Item = &Entry> {
        let mut first = 0;
        while first < self.chunks.len() && at >= self.chunks[first].len() {
            at -= self.chunks[first].len();
            first += 1;
        }
        self.chunks[first..].iter().flatten().skip(at)
    }

    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        self.chunks.into_iter().flatten()
    }

    /// How many entries come before this one.
    pub(super) fn rank(&self, sort: &[Value], sorting: &Sorting) -> usize {
        let before = |entry: &Entry| sorting.compare(&entry.sort, sort).is_lt();
        let chunk = self.chunks.partition_point(|chunk| chunk.last().is_some_and(before));
        let inside = self.chunks.get(chunk).map_or(0, |chunk| chunk.partition_point(before));
        self.chunks[..chunk].iter().map(Vec::len).sum::<usize>() + inside
    }

    /// Puts an entry behind those that are equal, and says where it is.
    pub(super) fn insert(&mut self, entry: Entry, sorting: &Sorting) -> usize {
        let not_after = |other: &Entry| sorting.compare(&other.sort, &entry.sort).is_le();
        let found = self.chunks.partition_point(|chunk| chunk.last().is_some_and(not_after));
        let at = found.min(self.chunks.len().saturating_sub(1));
        if self.chunks.is_empty() {
            self.chunks.push(Vec::new());
        }
        let before: usize = self.chunks[..at].iter().map(Vec::len).sum();
        let chunk = &mut self.chunks[at];
        let inside = chunk.partition_point(not_after);
        chunk.insert(inside, entry);
        if chunk.len() > CHUNK {
            let rest = chunk.split_off(CHUNK / 2);
            self.chunks.insert(at + 1, rest);
        }
        self.len += 1;
        before + inside
    }

    pub(super) fn remove(&mut self, mut at: usize) -> Option<Entry> {
        for index in 0..self.chunks.len() {
            let chunk = &mut self.chunks[index];
            if at < chunk.len() {
                let entry = chunk.remove(at);
                if chunk.is_empty() {
                    self.chunks.remove(index);
                }
                self.len -= 1;
                return Some(entry);
            }
            at -= chunk.len();
        }
        None
    }

    /// Keeps the first so many.
    pub(super) fn truncate(&mut self, len: usize) {
        while self.len > len {
            let Some(last) = self.chunks.last_mut() else { return };
            let surplus = (self.len - len).min(last.len());
            last.truncate(last.len() - surplus);
            self.len -= surplus;
            if last.is_empty() {
                self.chunks.pop();
            }
        }
    }
}
