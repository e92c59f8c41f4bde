//! The end of a query: what is selected, once if it is to be distinct, in order, cut.
//!
//! A query that belongs to rows of another (a sub-query, related rows) has a result for each key of those rows: a part.
//! Any other query has one part, with the empty key.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bound::{self, Bound};
use super::key::{Key, SharedRow};
use super::list::{Entry, List, Sorting};
use super::window::{Window, difference, edit, net};
use crate::error::{Error, Result};
use crate::live::delta::{Added, Changed, Delta};
use crate::value::Value;

/// How many rows behind the window are held at least.
const LEAST: usize = if cfg!(test) { 1 } else { 32 };

/// What a query selects.
#[derive(Debug)]
pub(super) enum Selected {
    /// The first so many values of the row.
    Row(usize),
    /// These.
    Exprs(Vec<Bound>),
    /// How many rows the window has.
    Count,
}

/// The end of a query.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) selected: Selected,
    /// Values behind the selected ones, for those who need them: the columns that related rows are found by.
    pub(super) hidden: Vec<Bound>,
    pub(super) sorting: Sorting,
    pub(super) distinct: bool,
    pub(super) window: Window,
    /// What stands where no row has come: the one group of no rows.
    pub(super) nothing: Vec<SharedRow>,
    /// A count of all rows is there from the beginning, also when there are none; until it was said, this is set.
    pub(super) uncounted: bool,
    /// Only what the window shows and some rows behind it are kept; the store has the others.
    pub(super) cut: Option<Cut>,
    parts: BTreeMap<Key, Part>,
    /// The parts of this transaction.
    touched: Vec<Key>,
}

/// The end of a list that is not complete.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// The list holds all rows up to this one; none is all rows.
    boundary: Option<Arc<[Value]>>,
    /// What was read anew.
    read: Option<Vec<Entry>>,
}

#[derive(Debug, Default)]
struct Part {
    list: List,
    /// How often each distinct row is there.
    copies: BTreeMap<Key, (i64, Entry)>,
    /// How many rows there are, when only that is asked.
    count: i64,
    /// What comes and goes in this transaction.
    added: Vec<Entry>,
    removed: Vec<Entry>,
    counted: i64,
    touched: bool,
}

/// What a transaction did.
pub(super) enum Flushed {
    /// What changed, part by part.
    Changes(Vec<(Key, Delta<Entry>)>),
    /// Rows behind the window must be read from the store first.
    Refill,
}

impl Tail {
    pub(super) fn new(selected: Selected, sorting: Sorting, window: Window) -> Self {
        Tail {
            selected,
            hidden: Vec::new(),
            sorting,
            distinct: false,
            window,
            nothing: Vec::new(),
            uncounted: false,
            cut: None,
            parts: BTreeMap::new(),
            touched: Vec::new(),
        }
    }

    /// How many rows a list that is cut holds: those of the window, and so many more that most of what leaves it needs no
    /// read.
    pub(super) fn capacity(&self) -> usize {
        let end = self.window.end();
        end.saturating_add(end.clamp(LEAST, 1024))
    }

    /// Whether a row may be in the list of a query that is cut.
    pub(super) fn reaches(&self, row: &[Value]) -> Result<bool> {
        match self.cut.as_ref().and_then(|cut| cut.boundary.as_ref()) {
            Some(boundary) => Ok(self.sorting.place(row, boundary)?.is_le()),
            None => Ok(true),
        }
    }

    /// What is shown of a row.
    fn shown(&self, row: &SharedRow) -> Result<SharedRow> {
        match &self.selected {
            Selected::Row(width) if *width == row.len() && self.hidden.is_empty() => Ok(row.clone()),
            Selected::Row(width) => {
                let mut shown = row[..*width].to_vec();
                shown.extend(bound::values(&self.hidden, row)?);
                Ok(shown.into())
            }
            Selected::Exprs(exprs) => {
                let mut shown = bound::values(exprs, row)?;
                shown.extend(bound::values(&self.hidden, row)?);
                Ok(shown.into())
            }
            Selected::Count => Err(Error::internal("a count has no rows of its own")),
        }
    }

    pub(super) fn entry(&self, row: &SharedRow) -> Result<Entry> {
        Ok(Entry { sort: self.sorting.of(row)?, row: self.shown(row)? })
    }

    /// A row comes or goes.
    pub(super) fn take(&mut self, key: &Key, row: &SharedRow, weight: i64) -> Result<()> {
        let entry = if matches!(self.selected, Selected::Count) { None } else { Some(self.entry(row)?) };
        if !self.parts.contains_key(key) {
            self.parts.insert(key.clone(), Part::default());
        }
        let Some(part) = self.parts.get_mut(key) else { return Err(Error::internal("a part is missing")) };
        if !part.touched {
            part.touched = true;
            part.counted = part.count;
            self.touched.push(key.clone());
        }
        let Some(entry) = entry else {
            part.count += weight;
            return Ok(());
        };
        if !self.distinct {
            let side = if weight > 0 { &mut part.added } else { &mut part.removed };
            side.extend(std::iter::repeat_n(entry, usize::try_from(weight.unsigned_abs()).unwrap_or(usize::MAX)));
            return Ok(());
        }
        let copy = Key(entry.row.as_ref().into());
        let (count, first) = part.copies.entry(copy.clone()).or_insert_with(|| (0, entry));
        let before = *count;
        *count += weight;
        if *count < 0 {
            return Err(Error::internal("a row went that had not come"));
        }
        if before == 0 && *count > 0 {
            part.added.push(first.clone());
        } else if before > 0 && *count == 0 {
            part.removed.push(first.clone());
            part.copies.remove(&copy);
        }
        Ok(())
    }

    /// Takes the list as it was read from the store, in order; `complete` when there are no more rows.
    pub(super) fn replace(&mut self, rows: Vec<SharedRow>, complete: bool) -> Result<()> {
        let entries = rows.iter().map(|row| self.entry(row)).collect::<Result<Vec<_>>>()?;
        let Some(cut) = &mut self.cut else { return Err(Error::internal("a list that is complete was read anew")) };
        cut.boundary = if complete { None } else { entries.last().map(|entry| entry.sort.clone()) };
        cut.read = Some(entries);
        let root = Key::default();
        let part = self.parts.entry(root.clone()).or_default();
        if !part.touched {
            part.touched = true;
            self.touched.push(root);
        }
        Ok(())
    }

    /// What the transaction changed.
    pub(super) fn flush(&mut self) -> Result<Flushed> {
        let mut changes = Vec::with_capacity(self.touched.len());
        let capacity = self.capacity();
        if let Some(refill) = self.make_ready()? {
            return Ok(refill);
        }
        if std::mem::take(&mut self.uncounted) {
            let root = Key::default();
            let count = self.parts.get_mut(&root).map_or(0, |part| {
                part.touched = false;
                part.count
            });
            self.touched.retain(|key| *key != root);
            let row = count_of(self.window.count(count));
            changes.push((root, Delta { added: vec![Added { row, index: 0 }], ..Delta::default() }));
        }
        for key in std::mem::take(&mut self.touched) {
            let Some(part) = self.parts.get_mut(&key) else { continue };
            part.touched = false;
            let delta = match self.selected {
                Selected::Count => counted(self.window.count(part.counted), self.window.count(part.count)),
                _ => {
                    let (mut removed, mut added) = (std::mem::take(&mut part.removed), std::mem::take(&mut part.added));
                    // Of a list that is cut that is done: whether it is too short depends on it.
                    if self.cut.is_none() {
                        net(&mut removed, &mut added, &self.sorting);
                    }
                    edit(&mut part.list, &self.sorting, self.window, !self.hidden.is_empty(), removed, added)?
                }
            };
            let empty = part.list.len() == 0 && part.count == 0 && part.copies.is_empty();
            if let Some(cut) = &mut self.cut
                && part.list.len() > capacity.saturating_mul(2)
            {
                // Far more has come than is shown: the store keeps it.
                part.list.truncate(capacity);
                cut.boundary = part.list.last().map(|entry| entry.sort.clone());
            }
            if empty {
                self.parts.remove(&key);
            }
            if !delta.is_empty() {
                changes.push((key, delta));
            }
        }
        Ok(Flushed::Changes(changes))
    }

    /// Of a list that is cut: whether it has what the window shows. What was read anew takes the place of all.
    fn make_ready(&mut self) -> Result<Option<Flushed>> {
        let Some(cut) = &mut self.cut else { return Ok(None) };
        let Some(part) = self.parts.get_mut(&Key::default()) else { return Ok(None) };
        if let Some(read) = cut.read.take() {
            (part.removed, part.added) = difference(&part.list, &read, &self.sorting);
            return Ok(None);
        }
        net(&mut part.removed, &mut part.added, &self.sorting);
        let len = (part.list.len() + part.added.len()).saturating_sub(part.removed.len());
        Ok((cut.boundary.is_some() && len < self.window.end()).then_some(Flushed::Refill))
    }

    /// The rows of a part, as the window shows them.
    pub(super) fn visible(&self, key: &Key) -> Vec<Entry> {
        let part = self.parts.get(key);
        if matches!(self.selected, Selected::Count) {
            return vec![count_of(self.window.count(part.map_or(0, |part| part.count)))];
        }
        match part {
            Some(part) => {
                let shown = self.window.of(part.list.len());
                part.list.from(shown.start).take(shown.len()).cloned().collect()
            }
            None => {
                let rows = self.nothing.iter().map(|row| Entry { sort: Arc::default(), row: row.clone() });
                rows.skip(self.window.offset).take(self.window.limit).collect()
            }
        }
    }

    /// How many rows of a part the window shows.
    pub(super) fn len(&self, key: &Key) -> usize {
        match (&self.selected, self.parts.get(key)) {
            (Selected::Count, _) => 1,
            (_, Some(part)) => self.window.of(part.list.len()).len(),
            (_, None) => self.window.of(self.nothing.len()).len(),
        }
    }

    /// The first value of the first row of a part.
    pub(super) fn first(&self, key: &Key) -> Option<Value> {
        let part = self.parts.get(key);
        if matches!(self.selected, Selected::Count) {
            return Some(Value::Int(self.window.count(part.map_or(0, |part| part.count))));
        }
        if self.len(key) == 0 {
            return None;
        }
        let row = match part {
            Some(part) => part.list.get(self.window.offset).map(|entry| &entry.row),
            None => self.nothing.get(self.window.offset),
        };
        row.and_then(|row| row.first()).cloned()
    }

    /// Where in the window of a part an entry is.
    pub(super) fn place(&self, key: &Key, sort: &[Value]) -> Option<usize> {
        let part = self.parts.get(key)?;
        // Of equal rows, some may stand before the window.
        let at = part.list.rank(sort, &self.sorting).max(self.window.offset);
        self.window.of(part.list.len()).contains(&at).then(|| at - self.window.offset)
    }

    /// How many rows are held.
    pub(super) fn held(&self) -> usize {
        self.parts.values().map(|part| part.list.len() + part.copies.len()).sum()
    }
}

fn count_of(number: i64) -> Entry {
    Entry { sort: Arc::default(), row: Arc::new([Value::Int(number)]) }
}

fn counted(before: i64, after: i64) -> Delta<Entry> {
    if before == after {
        return Delta::default();
    }
    let changed = Changed { old: count_of(before), new: count_of(after), from: 0, to: 0 };
    Delta { changed: vec![changed], ..Delta::default() }
}
