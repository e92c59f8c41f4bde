//! Counting.

use super::{Cell, Operation};
use crate::crdt::{CrdtKind, GCounter, PnCounter};
use crate::error::{Error, Result};

/// Counts up or down. It needs to have seen nothing: run again, it counts again.
#[derive(Debug)]
pub(crate) struct Count {
    pub(crate) by: u32,
    pub(crate) down: bool,
}

impl Operation for Count {
    fn apply(&self, state: &str, cell: &Cell<'_>) -> Result<String> {
        let replica = cell.replica();
        match (cell.kind(), self.down) {
            (CrdtKind::GCounter, false) => {
                let mut counter: GCounter = read(state)?;
                counter.increment(replica, self.by)?;
                write(&counter)
            }
            (CrdtKind::PnCounter, down) => {
                let mut counter: PnCounter = read(state)?;
                if down {
                    counter.decrement(replica, self.by)?;
                } else {
                    counter.increment(replica, self.by)?;
                }
                write(&counter)
            }
            (other, _) => Err(Error::internal(format!("{other} does not count"))),
        }
    }
}

fn read<C: serde::de::DeserializeOwned>(state: &str) -> Result<C> {
    serde_json::from_str(state).map_err(|error| Error::internal("the state of a counter is damaged").with_source(error))
}

fn write<C: serde::Serialize>(counter: &C) -> Result<String> {
    serde_json::to_string(counter).map_err(|error| Error::internal("a counter has no JSON").with_source(error))
}
