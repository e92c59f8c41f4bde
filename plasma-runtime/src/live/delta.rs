//! What changed between two results of a live query.

use super::diff::Edit;
use crate::error::{Error, Result};

/// The difference between two results, complete: [`apply`](Delta::apply) turns the older into the newer.
///
/// `removed.index` and `changed.from` are places in the older result, `added.index` and `changed.to` places in the
/// newer one; each list is in ascending order of its place (`changed` by `to`). Rows that are in none of the lists kept
/// their values and their order among each other. A row that only moved is in `changed` with `old == new`.
#[derive(Debug, Clone, PartialEq)]
pub struct Delta<R> {
    /// Rows that came.
    pub added: Vec<Added<R>>,
    /// Rows that went.
    pub removed: Vec<Removed<R>>,
    /// Rows with other values, or in another order.
    pub changed: Vec<Changed<R>>,
}

/// A row that came.
#[derive(Debug, Clone, PartialEq)]
pub struct Added<R> {
    /// The row.
    pub row: R,
    /// Its place in the newer result.
    pub index: usize,
}

/// A row that went.
#[derive(Debug, Clone, PartialEq)]
pub struct Removed<R> {
    /// The row, as it was.
    pub row: R,
    /// Its place in the older result.
    pub index: usize,
}

/// A row that changed or moved.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed<R> {
    /// The row, as it was.
    pub old: R,
    /// The row, as it is.
    pub new: R,
    /// Its place in the older result.
    pub from: usize,
    /// Its place in the newer result.
    pub to: usize,
}

impl<R> Default for Delta<R> {
    fn default() -> Self {
        Delta { added: Vec::new(), removed: Vec::new(), changed: Vec::new() }
    }
}

impl<R> Delta<R> {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl<R: Clone> Delta<R> {
    /// An edit of `old`; `new` gives the rows that come, by their places.
    pub(crate) fn of(edit: &Edit, old: &[R], new: impl Fn(usize) -> R) -> Self {
        let changed = edit.changed.iter();
        Delta {
            added: edit.added.iter().map(|&index| Added { row: new(index), index }).collect(),
            removed: edit.removed.iter().map(|&index| Removed { row: old[index].clone(), index }).collect(),
            changed: changed.map(|&(from, to)| Changed { old: old[from].clone(), new: new(to), from, to }).collect(),
        }
    }

    /// The delta from an empty result to this one.
    pub fn initial(rows: &[R]) -> Self {
        let added = rows.iter().enumerate().map(|(index, row)| Added { row: row.clone(), index }).collect();
        Delta { added, removed: Vec::new(), changed: Vec::new() }
    }

    /// Turns the older result into the newer one.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorKind::Internal) when `rows` is not the result this delta starts from; `rows` is
    /// unchanged then.
    pub fn apply(&self, rows: &mut Vec<R>) -> Result<()> {
        let gone = self.removed.iter().map(|r| r.index).chain(self.changed.iter().map(|c| c.from));
        let come = self
            .added
            .iter()
            .map(|a| (a.index, a.row.clone()))
            .chain(self.changed.iter().map(|c| (c.to, c.new.clone())));
        match splice(std::mem::take(rows), gone.collect(), come.collect()) {
            Ok(newer) => {
                *rows = newer;
                Ok(())
            }
            Err(unchanged) => {
                *rows = unchanged;
                Err(Error::internal("the delta does not start from this result"))
            }
        }
    }
}

/// Takes the rows at `gone` out and puts the rows of `come` at their places, in one pass. Gives the rows back when the
/// places do not fit.
pub(super) fn splice<R>(rows: Vec<R>, mut gone: Vec<usize>, mut come: Vec<(usize, R)>) -> Result<Vec<R>, Vec<R>> {
    gone.sort_unstable();
    come.sort_by_key(|(index, _)| *index);
    let distinct = gone.windows(2).all(|pair| pair[0] < pair[1]) && come.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let inside = gone.last().is_none_or(|last| *last < rows.len());
    // Every place below the last one that comes must be filled: by a row that comes or one that stays.
    let length = (rows.len() + come.len()).checked_sub(gone.len());
    let fits = length.is_some_and(|length| come.last().is_none_or(|(last, _)| *last < length));
    if !distinct || !inside || !fits {
        return Err(rows);
    }
    let mut newer = Vec::with_capacity(rows.len() + come.len() - gone.len());
    let mut gone = gone.into_iter().peekable();
    let mut come = come.into_iter().peekable();
    for (index, row) in rows.into_iter().enumerate() {
        if gone.next_if_eq(&index).is_some() {
            continue;
        }
        while let Some((_, arrival)) = come.next_if(|(at, _)| *at == newer.len()) {
            newer.push(arrival);
        }
        newer.push(row);
    }
    newer.extend(come.map(|(_, arrival)| arrival));
    Ok(newer)
}
