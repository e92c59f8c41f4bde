//! The difference of two keyed lists: what to take out, what to put in, and the fewest moves.

use std::collections::HashMap;

/// The places that differ. Everything not named kept its content and its order among the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Places in the new list, ascending.
    pub added: Vec<usize>,
    /// Places in the old list, ascending.
    pub removed: Vec<usize>,
    /// Places in the old and the new list, ascending by the new one.
    pub changed: Vec<(usize, usize)>,
}

impl Edit {
    pub(crate) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// Compares two lists whose keys are distinct within each. `same(old, new)` says whether the rows at these places, which
/// have the same key, have the same content.
///
/// Linear but for the moves: those rows that stay put are a longest increasing subsequence of the old places (patience
/// sorting, Fredman 1975), so that a row moved across a hundred others is one change and not a hundred.
pub(crate) fn diff<K: Eq + std::hash::Hash>(
    old_keys: &[K],
    new_keys: &[K],
    same: impl Fn(usize, usize) -> bool,
) -> Edit {
    let unchanged = |old: usize, new: usize| old_keys[old] == new_keys[new] && same(old, new);
    let shorter = old_keys.len().min(new_keys.len());
    let start = (0..shorter).take_while(|&at| unchanged(at, at)).count();
    let end = (0..shorter - start)
        .take_while(|&back| unchanged(old_keys.len() - 1 - back, new_keys.len() - 1 - back))
        .count();
    let (old_end, new_end) = (old_keys.len() - end, new_keys.len() - end);

    let places: HashMap<&K, usize> = (start..old_end).map(|at| (&old_keys[at], at)).collect();
    let mut kept = vec![false; old_end - start];
    let mut edit = Edit::default();
    let mut equal = Vec::new();
    for (new, key) in new_keys.iter().enumerate().take(new_end).skip(start) {
        match places.get(key) {
            None => edit.added.push(new),
            Some(&old) => {
                kept[old - start] = true;
                if same(old, new) {
                    equal.push((old, new));
                } else {
                    edit.changed.push((old, new));
                }
            }
        }
    }
    edit.removed = (start..old_end).filter(|old| !kept[old - start]).collect();
    let moved = outside_longest_run(&equal);
    if !moved.is_empty() {
        edit.changed.extend(moved);
        edit.changed.sort_unstable_by_key(|(_, new)| *new);
    }
    edit
}

/// The pairs that are not in a longest subsequence of ascending first members.
pub(super) fn outside_longest_run(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    if pairs.is_sorted_by(|a, b| a.0 < b.0) {
        return Vec::new();
    }
    // `ends[n]` is the pair with the smallest old place that ends an ascending run of n + 1 pairs.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; pairs.len()];
    for (at, (old, _)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|&end| pairs[end].0 < *old);
        before[at] = length.checked_sub(1).map(|shorter| ends[shorter]);
        match ends.get_mut(length) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut stays = vec![false; pairs.len()];
    let mut walk = ends.last().copied();
    while let Some(at) = walk {
        stays[at] = true;
        walk = before[at];
    }
    pairs.iter().zip(stays).filter(|(_, stays)| !stays).map(|(pair, _)| *pair).collect()
}
