//! Adding to a set, and removing from it.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{Cell, Operation, misread};
use crate::crdt::{State, Tag};
use crate::error::{Error, Result};

/// An addition. It takes the place of this replica's earlier one of the same value: whoever has not seen it cannot remove
/// it, and two tags would say no more.
#[derive(Debug)]
pub(crate) struct Add {
    /// The value as JSON, or why it has none.
    pub(crate) value: Result<String, String>,
}

/// A removal of what the caller had seen, and of what it added itself.
#[derive(Debug)]
pub(crate) struct Remove {
    /// The value as JSON, or why it has none.
    pub(crate) value: Result<String, String>,
}

impl Operation for Add {
    fn apply(&self, state: &str, cell: &Cell<'_>) -> Result<String> {
        let value = self.value.clone().map_err(Error::validation)?;
        let mut set = read(state)?;
        let replica = cell.replica();
        let mut tag = Tag { replica, seq: cell.next_seq()? };
        // A whole state from outside may hold it; and of 2^44 numbers two may meet.
        while set.holds(&tag) {
            tag.seq = cell.next_seq()?;
        }
        set.remove(&value, |tag| tag.replica == replica);
        set.add(&value, tag);
        Ok(write(set, cell))
    }
}

impl Operation for Remove {
    fn apply(&self, state: &str, cell: &Cell<'_>) -> Result<String> {
        let value = self.value.clone().map_err(Error::validation)?;
        let mut set = read(state)?;
        let replica = cell.replica();
        let there = || set.tags(&value).iter().map(|tag| Json::String(tag.to_string())).collect();
        match cell.observe(there) {
            Some(seen) => {
                // By its number: the same addition may have come to be as another client's.
                let seen: BTreeSet<u64> = tags(seen)?.into_iter().map(|tag| tag.seq).collect();
                set.remove(&value, |tag| seen.contains(&tag.seq) || tag.replica == replica);
            }
            None => set.remove(&value, |_| true),
        }
        Ok(write(set, cell))
    }
}

fn tags(seen: Json) -> Result<Vec<Tag>> {
    serde_json::from_value(seen).map_err(|error| misread("the tags of a set").with_source(error))
}

pub(super) fn read(state: &str) -> Result<State> {
    State::from_json(state).map_err(|error| Error::internal("the state of a set is damaged").with_source(error))
}

/// The state as it is stored. The server runs every mutation once, over all that was there before: no tag that was
/// removed can come back, unless another region still has it.
pub(super) fn write(mut set: State, cell: &Cell<'_>) -> String {
    if !cell.meta.crdt.keep_removed {
        set.forget(|_| true);
    }
    set.to_json()
}
