//! A list, its window, and what a transaction changes of what the window shows.

use std::collections::BTreeMap;
use std::ops::Range;

use super::key::Key;
use super::list::{Entry, List, Sorting};
use crate::error::{Error, Result};
use crate::live::delta::{Added, Changed, Delta, Removed};
use crate::live::diff::outside_longest_run;

/// Above this many changes, a list is made anew when that is less work.
const MANY: usize = if cfg!(test) { 4 } else { 64 };

/// Which places of a list are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) offset: usize,
    pub(super) limit: usize,
}

impl Window {
    pub(super) fn new(offset: Option<u64>, limit: Option<u64>) -> Self {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Window { offset: offset.map_or(0, number), limit: limit.map_or(usize::MAX, number) }
    }

    /// How many entries must be there to fill it.
    pub(super) fn end(&self) -> usize {
        self.offset.saturating_add(self.limit)
    }

    /// How many of so many rows are shown.
    pub(super) fn count(&self, rows: i64) -> i64 {
        let rows = usize::try_from(rows).unwrap_or(0);
        i64::try_from(self.of(rows).len()).unwrap_or(i64::MAX)
    }

    pub(super) fn of(&self, len: usize) -> Range<usize> {
        self.offset.min(len)..self.end().min(len)
    }
}

/// Drops what goes and comes again as it was. Both are in order afterwards.
pub(super) fn net(removed: &mut Vec<Entry>, added: &mut Vec<Entry>, sorting: &Sorting) {
    let order = |a: &Entry, b: &Entry| sorting.compare(&a.sort, &b.sort);
    removed.sort_by(order);
    added.sort_by(order);
    if removed.is_empty() || added.is_empty() {
        return;
    }
    let mut kept = vec![true; removed.len()];
    let mut from = 0;
    added.retain(|entry| {
        while from < removed.len() && order(&removed[from], entry).is_lt() {
            from += 1;
        }
        let mut at = from;
        while at < removed.len() && order(&removed[at], entry).is_eq() {
            if kept[at] && removed[at].row == entry.row {
                kept[at] = false;
                return false;
            }
            at += 1;
        }
        true
    });
    let mut kept = kept.into_iter();
    removed.retain(|_| kept.next() == Some(true));
}

/// Changes a list by what [`net`] left, and says what that changes of the window; of `every` row whose place in the order
/// is another one, or of those only where it shows.
pub(super) fn edit(
    list: &mut List,
    sorting: &Sorting,
    window: Window,
    every: bool,
    removed: Vec<Entry>,
    added: Vec<Entry>,
) -> Result<Delta<Entry>> {
    if removed.is_empty() && added.is_empty() {
        return Ok(Delta::default());
    }
    let before = list.len();
    let changes = removed.len() + added.len();
    let (gone, come) = if changes > MANY && changes > before / 16 {
        merged(list, sorting, &removed, &added)?
    } else {
        one_by_one(list, sorting, &removed, &added)?
    };
    let edit = Edit { list, sorting, every, old: window.of(before), new: window.of(list.len()), gone, come };
    let mut delta = edit.delta(removed, added);
    if !every {
        // It may have passed only rows that are not shown.
        settle(&mut delta, |old, new| old.row == new.row);
    }
    Ok(delta)
}

fn missing() -> Error {
    Error::internal("a row that goes was not in the list of a live query")
}

/// The places of what goes in the old list, and of what comes in the new one.
fn one_by_one(
    list: &mut List,
    sorting: &Sorting,
    removed: &[Entry],
    added: &[Entry],
) -> Result<(Vec<usize>, Vec<usize>)> {
    let mut gone: Vec<usize> = Vec::with_capacity(removed.len());
    for entry in removed {
        let first = list.rank(&entry.sort, sorting);
        // Equal entries stand side by side.
        let at = gone.last().map_or(first, |last| first.max(last + 1));
        if !list.get(at).is_some_and(|found| sorting.compare(&found.sort, &entry.sort).is_eq()) {
            return Err(missing());
        }
        gone.push(at);
    }
    for at in gone.iter().rev() {
        list.remove(*at);
    }
    // Ascending, so that no later one moves an earlier one.
    let come = added.iter().map(|entry| list.insert(entry.clone(), sorting)).collect();
    Ok((gone, come))
}

/// The same in one pass over the list.
fn merged(list: &mut List, sorting: &Sorting, removed: &[Entry], added: &[Entry]) -> Result<(Vec<usize>, Vec<usize>)> {
    let old = std::mem::take(list);
    let mut newer = Vec::with_capacity((old.len() + added.len()).saturating_sub(removed.len()));
    let (mut gone, mut come) = (Vec::with_capacity(removed.len()), Vec::with_capacity(added.len()));
    let (mut leaving, mut arriving) = (removed.iter().peekable(), added.iter().peekable());
    for (at, entry) in old.into_entries().enumerate() {
        if leaving.next_if(|other| sorting.compare(&other.sort, &entry.sort).is_eq()).is_some() {
            gone.push(at);
            continue;
        }
        while let Some(arrival) = arriving.next_if(|other| sorting.compare(&other.sort, &entry.sort).is_lt()) {
            come.push(newer.len());
            newer.push(arrival.clone());
        }
        newer.push(entry);
    }
    for arrival in arriving {
        come.push(newer.len());
        newer.push(arrival.clone());
    }
    *list = List::sorted(newer);
    if leaving.next().is_some() { Err(missing()) } else { Ok((gone, come)) }
}

/// A list that was changed at these places. What is at none of them stayed, and is counted by its number among what
/// stayed.
struct Edit<'l> {
    list: &'l List,
    sorting: &'l Sorting,
    /// Whether rows are named whose place in the order alone is another one, though nobody sees it.
    every: bool,
    /// What the window showed, and what it shows.
    old: Range<usize>,
    new: Range<usize>,
    /// Places in the old list, ascending.
    gone: Vec<usize>,
    /// Places in the new list, ascending.
    come: Vec<usize>,
}

/// A row at one side of the change, by its place.
struct Side {
    place: usize,
    entry: Entry,
    /// It stayed in the list: the window moved over it.
    stayed: bool,
}

impl Edit<'_> {
    fn delta(&self, removed: Vec<Entry>, added: Vec<Entry>) -> Delta<Entry> {
        let (old, new) = (stayed(&self.old, &self.gone), stayed(&self.new, &self.come));
        let mut left = shown(&self.gone, removed, &self.old);
        let mut entered = shown(&self.come, added, &self.new);
        self.moved_over(&old, &new, &self.gone, &mut left);
        self.moved_over(&new, &old, &self.come, &mut entered);
        let pairs = self.pairs(&left, &entered);
        let (mut paired_left, mut paired_entered) = (vec![false; left.len()], vec![false; entered.len()]);
        for (before, after) in &pairs {
            (paired_left[*before], paired_entered[*after]) = (true, true);
        }
        let changed = self.changed(&left, &entered, pairs);
        let alone = |paired: Vec<bool>, sides: Vec<Side>| {
            let alone = sides.into_iter().zip(paired).filter(|(_, paired)| !paired);
            alone.map(|(side, _)| side).collect::<Vec<_>>()
        };
        Delta {
            added: alone(paired_entered, entered)
                .into_iter()
                .map(|side| Added { index: side.place - self.new.start, row: side.entry })
                .collect(),
            removed: alone(paired_left, left)
                .into_iter()
                .map(|side| Removed { index: side.place - self.old.start, row: side.entry })
                .collect(),
            changed,
        }
    }

    /// Adds the rows that stayed in the list and are shown in `here` but not in `there`, both by their numbers.
    fn moved_over(&self, here: &Range<usize>, there: &Range<usize>, changed: &[usize], sides: &mut Vec<Side>) {
        let parts = [here.start..here.end.min(there.start), here.start.max(there.end)..here.end];
        let mut more = false;
        for part in parts.into_iter().filter(|part| part.start < part.end) {
            let entries = places(part.clone(), &self.come).map(|place| self.list.get(place));
            for (place, entry) in places(part, changed).zip(entries) {
                if let Some(entry) = entry {
                    sides.push(Side { place, entry: entry.clone(), stayed: true });
                    more = true;
                }
            }
        }
        if more {
            sides.sort_by_key(|side| side.place);
        }
    }

    /// The rows that are on both sides, by what tells rows apart.
    fn pairs(&self, left: &[Side], entered: &[Side]) -> Vec<(usize, usize)> {
        let identity = |side: &Side| Key(self.sorting.identity(&side.entry.sort).into());
        let mut pairs = Vec::new();
        if left.len() * entered.len() <= MANY {
            let mut taken = vec![false; left.len()];
            for (after, side) in entered.iter().enumerate().filter(|(_, side)| !side.stayed) {
                let wanted = self.sorting.identity(&side.entry.sort);
                let is_it = |other: &Side| {
                    let found = self.sorting.identity(&other.entry.sort);
                    !other.stayed && found.iter().zip(wanted).all(|(a, b)| crate::value::compare::is_same(a, b))
                };
                if let Some(before) = (0..left.len()).find(|at| !taken[*at] && is_it(&left[*at])) {
                    taken[before] = true;
                    pairs.push((before, after));
                }
            }
            return pairs;
        }
        let mut known: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (before, side) in left.iter().enumerate().rev().filter(|(_, side)| !side.stayed) {
            known.entry(identity(side)).or_default().push(before);
        }
        for (after, side) in entered.iter().enumerate().filter(|(_, side)| !side.stayed) {
            if let Some(before) = known.get_mut(&identity(side)).and_then(Vec::pop) {
                pairs.push((before, after));
            }
        }
        pairs
    }

    /// The pairs as changes, but for rows that are what and where they were among those that stayed.
    fn changed(&self, left: &[Side], entered: &[Side], pairs: Vec<(usize, usize)>) -> Vec<Changed<Entry>> {
        let number = |place: usize, changed: &[usize]| place - changed.partition_point(|other| *other < place);
        let is_still = |(before, after): &(usize, usize)| {
            let (old, new) = (&left[*before], &entered[*after]);
            old.entry.row == new.entry.row && number(old.place, &self.gone) == number(new.place, &self.come)
        };
        let (still, mut moved): (Vec<_>, Vec<_>) = pairs.into_iter().partition(is_still);
        if !still.is_empty() {
            let mut still: Vec<_> = still
                .into_iter()
                .map(|(before, after)| (left[before].place, entered[after].place, (before, after)))
                .collect();
            still.sort_by_key(|(_, new, _)| *new);
            let places: Vec<_> = still.iter().map(|(old, new, _)| (*old, *new)).collect();
            let crossed = outside_longest_run(&places);
            let resorted =
                |(before, after): &(usize, usize)| self.every && left[*before].entry.sort != entered[*after].entry.sort;
            let told = still.into_iter().filter(|(old, new, pair)| crossed.contains(&(*old, *new)) || resorted(pair));
            moved.extend(told.map(|(.., pair)| pair));
        }
        let mut changed: Vec<_> = moved
            .into_iter()
            .map(|(before, after)| Changed {
                old: left[before].entry.clone(),
                new: entered[after].entry.clone(),
                from: left[before].place - self.old.start,
                to: entered[after].place - self.new.start,
            })
            .collect();
        changed.sort_by_key(|change| change.to);
        changed
    }
}

/// The numbers, among what stayed, of what a range of places shows.
fn stayed(range: &Range<usize>, changed: &[usize]) -> Range<usize> {
    let number = |place: usize| place - changed.partition_point(|other| *other < place);
    number(range.start)..number(range.end)
}

/// The places of what stayed, by its numbers.
fn places(numbers: Range<usize>, changed: &[usize]) -> impl Iterator<Item = usize> {
    let mut before = 0;
    numbers.map(move |number| {
        while changed.get(before).is_some_and(|place| *place <= number + before) {
            before += 1;
        }
        number + before
    })
}

/// Those that the window shows.
fn shown(places: &[usize], entries: Vec<Entry>, window: &Range<usize>) -> Vec<Side> {
    let all = places.iter().zip(entries).filter(|(place, _)| window.contains(place));
    all.map(|(place, entry)| Side { place: *place, entry, stayed: false }).collect()
}

/// What leads from one list of entries to another, both in order: for a list that was read anew.
pub(super) fn difference(list: &List, newer: &[Entry], sorting: &Sorting) -> (Vec<Entry>, Vec<Entry>) {
    let mut removed: Vec<Entry> = list.from(0).cloned().collect();
    let mut added = newer.to_vec();
    net(&mut removed, &mut added, sorting);
    (removed, added)
}

/// Drops the changes of rows that are what they were, and where they were among those that are still shown.
pub(super) fn settle<R>(delta: &mut Delta<R>, same: impl Fn(&R, &R) -> bool) {
    if delta.changed.iter().all(|change| !same(&change.old, &change.new)) {
        return;
    }
    let gone = merged_places(delta.removed.iter().map(|row| row.index), delta.changed.iter().map(|row| row.from));
    let come = merged_places(delta.added.iter().map(|row| row.index), delta.changed.iter().map(|row| row.to));
    let number = |place: usize, changed: &[usize]| place - changed.partition_point(|other| *other < place);
    let is_still =
        |change: &Changed<R>| same(&change.old, &change.new) && number(change.from, &gone) == number(change.to, &come);
    let still: Vec<_> = delta.changed.iter().filter(|change| is_still(change)).map(|row| (row.from, row.to)).collect();
    let crossed = outside_longest_run(&still);
    delta.changed.retain(|change| !is_still(change) || crossed.contains(&(change.from, change.to)));
}

/// All places, ascending.
pub(super) fn merged_places(some: impl Iterator<Item = usize>, others: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut places: Vec<usize> = some.chain(others).collect();
    places.sort_unstable();
    places
}
