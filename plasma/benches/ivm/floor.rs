//! The floor: the same results kept up to date by hand, in memory, for exactly these queries and no others.

use std::collections::{BTreeSet, HashMap};

use super::todos::{Edit, Todo};

/// Rows in a window.
pub const WINDOW: usize = 50;

/// Open todos in some order: the greatest of a number first, ties by id.
#[derive(Default)]
pub struct Ordered(BTreeSet<(i64, String)>);

impl Ordered {
    /// Takes an edit in; true when it touches the window.
    fn edit(&mut self, old: Option<(i64, String)>, new: Option<(i64, String)>) -> bool {
        let bound = self.0.iter().nth(WINDOW - 1);
        let touches = |key: &Option<_>| key.as_ref().is_some_and(|key| bound.is_none_or(|bound| key <= bound));
        let touched = touches(&old) || touches(&new);
        if let Some(old) = old {
            self.0.remove(&old);
        }
        if let Some(new) = new {
            self.0.insert(new);
        }
        touched
    }

    /// Whether a row stands among the first so many, or would.
    fn is_near(&self, key: Option<(i64, String)>, count: usize) -> bool {
        let bound = self.0.iter().nth(count);
        key.is_some_and(|key| bound.is_none_or(|bound| &key <= bound))
    }

    /// The ids in the window.
    pub fn window(&self) -> impl Iterator<Item = &str> {
        self.0.iter().take(WINDOW).map(|(_, id)| id.as_str())
    }
}

/// All results at once; a scenario switches on those it asks for.
#[derive(Default)]
pub struct Floor {
    pub base: HashMap<String, Todo>,
    /// Open todos by rank.
    pub ranked: Option<Ordered>,
    /// Per owner: how many, and the sum of the ranks.
    pub groups: Option<HashMap<String, (i64, i64)>>,
    /// Per owner: open todos, the newest first.
    pub owners: Option<HashMap<String, Ordered>>,
}

impl Floor {
    pub fn load(&mut self, rows: &[Todo]) {
        for row in rows {
            let id = row.id.to_string();
            if let Some(ranked) = self.ranked.as_mut().filter(|_| !row.done) {
                ranked.0.insert((-row.prio, id.clone()));
            }
            if let Some(groups) = &mut self.groups {
                let group = groups.entry(row.owner.clone()).or_default();
                *group = (group.0 + 1, group.1 + row.prio);
            }
            if let Some(owners) = self.owners.as_mut().filter(|_| !row.done) {
                owners.entry(row.owner.clone()).or_default().0.insert((-row.created, id.clone()));
            }
            self.base.insert(id, row.clone());
        }
    }

    /// Takes one edit in; true when a result changed.
    pub fn edit(&mut self, id: &str, new: &Todo) -> bool {
        let old = self.base.insert(id.to_owned(), new.clone()).expect("a known row");
        let key = |row: &Todo, number: i64| (!row.done).then(|| (-number, id.to_owned()));
        let mut touched = false;
        if let Some(ranked) = &mut self.ranked {
            touched |= ranked.edit(key(&old, old.prio), key(new, new.prio));
        }
        if let Some(groups) = &mut self.groups
            && (&old.owner, old.prio) != (&new.owner, new.prio)
        {
            let group = groups.get_mut(&old.owner).expect("a known group");
            *group = (group.0 - 1, group.1 - old.prio);
            let group = groups.entry(new.owner.clone()).or_default();
            *group = (group.0 + 1, group.1 + new.prio);
            touched = true;
        }
        if let Some(owners) = &mut self.owners {
            // No scenario with this moves rows between owners.
            let by_owner = owners.entry(old.owner.clone()).or_default();
            touched |= by_owner.edit(key(&old, old.created), key(new, new.created));
        }
        touched
    }

    /// Whether an edit is so near to a window that the store may be asked for rows that come in.
    pub fn is_near(&self, edit: &Edit) -> bool {
        let near = |row: &Todo| {
            let (id, open) = (row.id.to_string(), !row.done);
            let ranked = self.ranked.as_ref();
            let owner = self.owners.as_ref().and_then(|owners| owners.get(&row.owner));
            ranked.is_some_and(|all| all.is_near(open.then(|| (-row.prio, id.clone())), 4 * WINDOW))
                || owner.is_some_and(|all| all.is_near(open.then(|| (-row.created, id.clone())), 4 * WINDOW))
        };
        near(&edit.old) || near(&edit.new)
    }
}
