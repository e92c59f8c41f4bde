//! A register: the last write stands.

use serde::{Deserialize, Serialize};

use super::{Crdt, MAX_SAFE, Replica};
use crate::value::Timestamp;

/// A value of which the last write stands. JSON: `{"value":..,"ts":1730100000000,"replica":"<replica>"}`.
///
/// "Last" is by a hybrid logical clock (Kulkarni, Demirbas, Madappa, Avva, Leone: *Logical Physical Clocks*, OPODIS
/// 2014): a write's time is its writer's clock, or one millisecond after the write it has seen when that is later. So a
/// write that has seen another one follows it, whatever the clocks say. Between equal times the greater replica stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lww<T> {
    value: T,
    #[serde(deserialize_with = "super::json::safe_integer")]
    ts: u64,
    replica: Replica,
}

impl<T> Lww<T> {
    /// A register that nobody has written yet: every write follows it.
    pub const fn new(value: T) -> Self {
        Lww { value, ts: 0, replica: Replica::from_bytes([0; 8]) }
    }

    /// The value.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// The value, taken out.
    pub fn into_value(self) -> T {
        self.value
    }

    /// When it was written: by the hybrid logical clock, milliseconds since 1970. 0 when it never was.
    pub const fn written_at(&self) -> u64 {
        self.ts
    }

    /// Who wrote it.
    pub const fn written_by(&self) -> Replica {
        self.replica
    }

    /// Writes at a time of the writer's clock. What the writer sees here is older than its write: the write is after it.
    pub fn set(&mut self, replica: Replica, value: T, now: Timestamp) {
        let ts = clock(now).max((self.ts + 1).min(MAX_SAFE));
        *self = Lww { value, ts, replica };
    }

    /// A write at exactly this time of the hybrid clock.
    pub(crate) fn at(value: T, ts: u64, replica: Replica) -> Self {
        Lww { value, ts: ts.min(MAX_SAFE), replica }
    }
}

/// A wall clock's time, as milliseconds a register can hold.
fn clock(now: Timestamp) -> u64 {
    u64::try_from(now.micros().div_euclid(1_000)).unwrap_or(0).min(MAX_SAFE)
}

impl<T: Default> Default for Lww<T> {
    fn default() -> Self {
        Lww::new(T::default())
    }
}

/// The value of a register that nobody has written yet.
impl<T> From<T> for Lww<T> {
    fn from(value: T) -> Self {
        Lww::new(value)
    }
}

impl<T: Clone + Serialize> Crdt for Lww<T> {
    /// Two writes of one replica never have the same time; where a state was made up by hand, the values' JSON decides,
    /// so that the result does not depend on the order.
    fn merge(&mut self, other: &Self) {
        let json = |value: &T| serde_json::to_string(value).unwrap_or_default();
        let mine = (self.ts, self.replica);
        let theirs = (other.ts, other.replica);
        if theirs > mine || (theirs == mine && json(&other.value) > json(&self.value)) {
            *self = other.clone();
        }
    }
}
