//! Writing a register.

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::{Cell, Operation, misread};
use crate::crdt::{MAX_SAFE, Replica};
use crate::error::{Error, Result};

/// A write. It keeps the place in time of its call: when it runs again over a register that was written since, it merges
/// with that write, which may stand.
#[derive(Debug)]
pub(crate) struct Write {
    /// The value as JSON, or why it has none.
    pub(crate) value: Result<String, String>,
}

/// A register, its value as it stands there.
#[derive(Serialize, Deserialize)]
pub(super) struct Register<'s> {
    #[serde(borrow)]
    pub(super) value: &'s RawValue,
    pub(super) ts: u64,
    pub(super) replica: Replica,
}

impl<'s> Register<'s> {
    pub(super) fn read(state: &'s str) -> Result<Self> {
        serde_json::from_str(state)
            .map_err(|error| Error::internal("the state of a register is damaged").with_source(error))
    }

    pub(super) fn write(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::internal("a register has no JSON").with_source(error))
    }
}

impl Operation for Write {
    fn apply(&self, state: &str, cell: &Cell<'_>) -> Result<String> {
        let value = self.value.clone().map_err(Error::validation)?;
        let value = RawValue::from_string(value)
            .map_err(|error| Error::internal("the value of a register has no JSON").with_source(error))?;
        let present = Register::read(state)?.ts;
        let seen = match cell.observe(|| json!(present)) {
            Some(seen) => {
                seen.as_u64().filter(|seen| *seen <= MAX_SAFE).ok_or_else(|| misread("the time of a register"))?
            }
            None => present,
        };
        let write = Register { value: &value, ts: cell.time_of_write(seen, present), replica: cell.replica() };
        cell.kind().merge(state, &write.write()?)
    }
}

impl Cell<'_> {
    /// The latest time that a write may have here. On a client there is none.
    ///
    /// A client's clock, and what it says to have seen, may be anything: without a bound one write far in the future would
    /// stand for ever. What the register has now was seen by somebody.
    pub(super) fn latest(&self, present: u64) -> u64 {
        let Some(received_at) = self.meta.received_at else { return MAX_SAFE };
        let latest = received_at.saturating_add(self.meta.crdt.clock_ahead_ms);
        u64::try_from(latest).unwrap_or(0).max(present)
    }

    /// The time of a write by the hybrid logical clock: the caller's clock, or right after what it had seen, whichever is
    /// later, and neither further ahead than the server bears.
    fn time_of_write(&self, seen: u64, present: u64) -> u64 {
        let latest = self.latest(present);
        let clock = u64::try_from(self.meta.timestamp).unwrap_or(0);
        let after = |clock: u64, seen: u64| clock.max(seen + 1).min(MAX_SAFE);
        // The clock by the bound without what is there: else an old register of the future would let others follow it.
        let clock_latest = self.latest(0);
        let time = after(clock.min(clock_latest), seen.min(latest));
        if time != after(clock, seen) {
            // The client's run had another.
            self.meta.note(|record| record.told("time", &time.to_string()));
        }
        time
    }
}
