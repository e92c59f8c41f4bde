//! Related rows, put behind the rows they belong to.
//!
//! Only what the window shows is put together. When related rows change, the rows that show them are found by the value
//! that ties the two, and change where they are.

use std::collections::{BTreeMap, BTreeSet};

use super::key::{Key, SharedRow};
use super::list::Entry;
use super::pipeline::{Pipeline, Ready};
use super::tail::Tail;
use super::window::{merged_places as places, settle};
use crate::error::{Error, Result};
use crate::live::delta::{Added, Changed, Delta, Removed};
use crate::value::Value;

/// Puts related rows behind rows.
#[derive(Debug)]
pub(super) struct Related {
    pub(super) queries: Vec<Pipeline>,
    /// How many values a row shows. Behind them are those that tie it to its related rows, one for each query.
    pub(super) width: usize,
    /// What is shown, by the part and by what it is sorted by; equal rows are counted.
    shown: BTreeMap<(Key, Key), (Entry, SharedRow, usize)>,
    /// For each query, the shown rows by the value that ties them.
    tied: Vec<BTreeMap<Key, BTreeSet<(Key, Key)>>>,
    /// The shown rows whose related rows changed in this transaction.
    due: BTreeSet<(Key, Key)>,
}

impl Related {
    pub(super) fn new(queries: Vec<Pipeline>, width: usize) -> Self {
        let tied = queries.iter().map(|_| BTreeMap::new()).collect();
        Related { queries, width, shown: BTreeMap::new(), tied, due: BTreeSet::new() }
    }

    /// Lets the changes of the related rows pass. Before the rows they belong to change: when a calculation fails here, the
    /// result is still that of before.
    pub(super) fn follow(&mut self) -> Result<()> {
        for (query, tied) in self.queries.iter_mut().zip(&self.tied) {
            let Ready::Changes(parts) = query.advance()? else {
                return Err(Error::internal("related rows are all held"));
            };
            self.due.extend(parts.iter().filter_map(|(key, _)| tied.get(key)).flatten().cloned());
        }
        Ok(())
    }

    /// What the changes of the rows and of their related rows are together.
    pub(super) fn advance(
        &mut self,
        changes: Vec<(Key, Delta<Entry>)>,
        tail: &Tail,
    ) -> Result<Vec<(Key, Delta<SharedRow>)>> {
        let mut deltas: BTreeMap<Key, Delta<SharedRow>> = BTreeMap::new();
        for (part, delta) in changes {
            let mut whole = Delta::default();
            // All that goes before anything comes: an entry may come back under the same place in the order.
            for removed in delta.removed {
                let row = self.hide(&part, &removed.row)?;
                whole.removed.push(Removed { row, index: removed.index });
            }
            let mut olds = Vec::with_capacity(delta.changed.len());
            for changed in &delta.changed {
                olds.push(self.hide(&part, &changed.old)?);
            }
            for (changed, old) in delta.changed.into_iter().zip(olds) {
                let new = self.show(&part, changed.new);
                whole.changed.push(Changed { old, new, from: changed.from, to: changed.to });
            }
            for added in delta.added {
                let row = self.show(&part, added.row);
                whole.added.push(Added { row, index: added.index });
            }
            deltas.insert(part, whole);
        }
        let mut again: BTreeMap<Key, Vec<(usize, SharedRow, SharedRow, usize)>> = BTreeMap::new();
        for place in std::mem::take(&mut self.due) {
            let Some((entry, before, count)) = self.shown.get(&place) else { continue };
            let (entry, before, count) = (entry.clone(), before.clone(), *count);
            let after = self.together(&entry);
            if after == before {
                continue;
            }
            let at = tail.place(&place.0, &entry.sort);
            let at = at.ok_or_else(|| Error::internal("a row that is shown is not in the window"))?;
            again.entry(place.0.clone()).or_default().push((at, before, after.clone(), count));
            self.shown.insert(place, (entry, after, count));
        }
        for (part, rows) in again {
            let delta = deltas.entry(part).or_default();
            let came = places(delta.added.iter().map(|row| row.index), delta.changed.iter().map(|row| row.to));
            let went = places(delta.removed.iter().map(|row| row.index), delta.changed.iter().map(|row| row.from));
            for (first, old, new, count) in rows {
                for to in first..first + count {
                    if came.contains(&to) {
                        // A copy of a row that was shown before: it came with the related rows of that one.
                        let added = delta.added.iter_mut().filter(|row| row.index == to).map(|row| &mut row.row);
                        let changed = delta.changed.iter_mut().filter(|row| row.to == to).map(|row| &mut row.new);
                        added.chain(changed).for_each(|row| *row = new.clone());
                        continue;
                    }
                    let stayed = to - came.partition_point(|place| *place < to);
                    let from = went.iter().fold(stayed, |at, gone| if *gone <= at { at + 1 } else { at });
                    delta.changed.push(Changed { old: old.clone(), new: new.clone(), from, to });
                }
            }
            delta.changed.sort_by_key(|change| change.to);
        }
        deltas.values_mut().for_each(|delta| settle(delta, |old, new| old == new));
        Ok(deltas.into_iter().filter(|(_, delta)| !delta.is_empty()).collect())
    }

    /// A row with its related rows.
    fn together(&self, entry: &Entry) -> SharedRow {
        let mut row = entry.row[..self.width].to_vec();
        for (query, tie) in self.queries.iter().zip(&entry.row[self.width..]) {
            let rows = query.visible(&Key(Box::new([tie.clone()])));
            row.push(Value::Rows(rows.into_iter().map(|row| row.to_vec()).collect()));
        }
        row.into()
    }

    fn show(&mut self, part: &Key, entry: Entry) -> SharedRow {
        let place = (part.clone(), Key(entry.sort.as_ref().into()));
        if let Some((_, row, count)) = self.shown.get_mut(&place) {
            *count += 1;
            return row.clone();
        }
        let row = self.together(&entry);
        for (tied, tie) in self.tied.iter_mut().zip(&entry.row[self.width..]) {
            tied.entry(Key(Box::new([tie.clone()]))).or_default().insert(place.clone());
        }
        self.shown.insert(place, (entry, row.clone(), 1));
        row
    }

    /// The row as it was shown.
    fn hide(&mut self, part: &Key, entry: &Entry) -> Result<SharedRow> {
        let place = (part.clone(), Key(entry.sort.as_ref().into()));
        let Some((_, row, count)) = self.shown.get_mut(&place) else {
            return Err(Error::internal("a row that was shown is not known"));
        };
        let row = row.clone();
        *count -= 1;
        if *count > 0 {
            return Ok(row);
        }
        self.shown.remove(&place);
        for (tied, tie) in self.tied.iter_mut().zip(&entry.row[self.width..]) {
            let key = Key(Box::new([tie.clone()]));
            if let Some(places) = tied.get_mut(&key) {
                places.remove(&place);
                if places.is_empty() {
                    tied.remove(&key);
                }
            }
        }
        Ok(row)
    }

    /// The rows as they are shown.
    pub(super) fn visible(&self, part: &Key, entries: Vec<Entry>) -> Vec<SharedRow> {
        let shown = |entry: Entry| {
            let place = (part.clone(), Key(entry.sort.as_ref().into()));
            self.shown.get(&place).map_or_else(|| self.together(&entry), |(_, row, _)| row.clone())
        };
        entries.into_iter().map(shown).collect()
    }

    pub(super) fn held(&self) -> usize {
        self.shown.len() + self.queries.iter().map(Pipeline::held).sum::<usize>()
    }
}
