//! Changes of CRDT columns by what is done to them: `Todo::likes.increment(1)`, `Todo::tags.add("urgent")`.
//!
//! A statement reads the row, has the operations applied to the state in it, and writes the new state as any other
//! value: executors, policies, effects and live queries know nothing of operations.

mod counter;
mod register;
mod set;
#[cfg(test)]
mod tests;
#[cfg(feature = "text")]
mod text;
mod whole;

use std::fmt;

use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

pub(crate) use counter::Count;
pub(crate) use register::Write;
pub(crate) use set::{Add, Remove};

use super::{Access, TxMeta};
use crate::crdt::{CrdtKind, Replica};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{ColumnDef, TableDef};
use crate::value::{Kind, Value};

/// Something done to a CRDT column.
///
/// It runs wherever the mutation runs: on the client, again over newer rows, and on the server. So it must depend on
/// nothing but the state and the [`Cell`].
pub trait Operation: fmt::Debug + Send + Sync + 'static {
    /// The state afterwards: canonical JSON in, canonical JSON out.
    ///
    /// # Errors
    /// [`Validation`](ErrorKind::Validation) when it cannot be done, [`InvalidArgs`](ErrorKind::InvalidArgs) when what
    /// the client says to have [observed](Cell::observe) is of another form. The statement adds the column's name.
    fn apply(&self, state: &str, cell: &Cell<'_>) -> Result<String>;
}

/// The replica of what the server does on its own account. No client id begins with `_plasma`.
const SERVER: &str = "_plasma_server";

/// Where an operation is applied, and what it may know of the run.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'r> {
    meta: &'r TxMeta,
    access: Access,
    table: &'static TableDef,
    column: &'static ColumnDef,
    kind: CrdtKind,
    row: &'r str,
}

impl<'r> Cell<'r> {
    /// The cell of a column in the row with this id; none when the column holds no CRDT.
    pub(crate) fn new(
        meta: &'r TxMeta,
        access: Access,
        table: &'static TableDef,
        column: &'static ColumnDef,
        row: &'r str,
    ) -> Option<Self> {
        match column.kind {
            Kind::Crdt(kind) => Some(Cell { meta, access, table, column, kind, row }),
            _ => None,
        }
    }

    /// Which CRDT the column holds.
    pub fn kind(&self) -> CrdtKind {
        self.kind
    }

    /// Who does it: the client that called the mutation, in every run of it; of a job of the server, the server.
    pub fn replica(&self) -> Replica {
        let replica = self.own();
        // After a fork the mutation runs as another client's than it did here.
        self.meta.note(|record| record.told("replica", &replica.to_string()));
        replica
    }

    fn own(&self) -> Replica {
        Replica::of_client(self.meta.client_id.as_deref().unwrap_or(SERVER))
    }

    /// What the caller of the mutation had seen of this cell: see [`TxMeta::observe`]. What only the server does, nobody
    /// has seen anything for.
    pub fn observe(&self, make: impl FnOnce() -> Json) -> Option<Json> {
        match self.access {
            Access::Checked => self.meta.observe(self.table.name, self.row, self.column.name, make),
            Access::Trusted => None,
        }
    }

    /// A number of the mutation, of 44 bits: of its key, which it keeps when it is issued again under another client id.
    /// So a removal that had seen the addition finds it under whatever tag it came to be.
    fn mutation(&self) -> u64 {
        let hash = Sha256::new().chain_update("plasma tag 1").chain_update(self.meta.key).finalize();
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&hash[..8]);
        u64::from_be_bytes(bytes) >> ADDITION_BITS
    }

    /// The number of an addition: that of the mutation, then that of the addition to this set in it.
    fn next_seq(&self) -> Result<u64> {
        // What only the server adds has numbers of its own, so that it does not shift those the client knows.
        let trusted = self.access == Access::Trusted;
        let count = self.meta.next_addition(trusted, self.table.name, self.row, self.column.name);
        if count >= 1 << (ADDITION_BITS - 1) {
            return Err(Error::validation("one mutation cannot add more than 2^19 times to one set"));
        }
        Ok(self.mutation() << ADDITION_BITS | u64::from(trusted) << (ADDITION_BITS - 1) | count)
    }

    /// The state after the steps, one after the other. `present` is the state there is; none in a new row.
    ///
    /// # Errors
    /// Those of the steps; the message names the column.
    pub(crate) fn after(&self, present: Option<&Value>, steps: &[Step]) -> Result<Value> {
        let mut state = match present {
            Some(Value::Json(state)) => Some(state.clone()),
            _ => None,
        };
        for step in steps {
            let next = match (step, &state) {
                (Step::Given(Value::Json(given)), present) => whole::given(present.as_deref(), given, self),
                (Step::Given(_), _) => Err(Error::validation("it needs a whole state, and no other value")),
                (Step::Operation(operation), Some(state)) => operation.apply(state, self),
                (Step::Operation(_), None) => Err(Error::validation("there is nothing yet that it could change")),
            };
            state = Some(next.map_err(|error| self.named(error))?);
        }
        Ok(state.map_or(Value::Null, Value::Json))
    }

    fn named(&self, error: Error) -> Error {
        Error::new(error.kind(), format!("column `{}`: {}", self.column.name, error.message())).with_source(error)
    }
}

/// Bits of a tag's number that say which addition of its mutation it was. Those above say which mutation.
const ADDITION_BITS: u32 = 20;

/// One of the things a statement does to a CRDT column.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A whole state is merged with what is there.
    Given(Value),
    /// An operation.
    Operation(std::sync::Arc<dyn Operation>),
}

/// An observation that is not what such an operation takes down.
fn misread(expected: &str) -> Error {
    Error::new(ErrorKind::InvalidArgs, format!("`observed` does not hold {expected}"))
}
