//! Counters: each replica counts in a slot of its own, and only it raises that slot.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Crdt, MAX_SAFE, Replica};
use crate::error::{Error, Result};

/// A slot of a replica: what it has counted, at most 2^53 - 1.
pub(super) type Slots = BTreeMap<Replica, u64>;

/// A counter that only grows. JSON: `{"<replica>":3,..}`, replicas in order.
///
/// ```
/// use plasma_runtime::crdt::{Crdt as _, GCounter, Replica};
///
/// let (mut a, mut b) = (GCounter::default(), GCounter::default());
/// a.increment(Replica::of_client("phone"), 2)?;
/// b.increment(Replica::of_client("laptop"), 3)?;
/// a.merge(&b);
/// a.merge(&b);
/// assert_eq!(a.value(), 5);
/// # Ok::<(), plasma_runtime::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct GCounter(Slots);

/// A counter that grows and shrinks: one that counts up and one that counts down. JSON: `{"p":{..},"n":{..}}`.
///
/// ```
/// use plasma_runtime::crdt::{PnCounter, Replica};
///
/// let mut votes = PnCounter::default();
/// votes.increment(Replica::of_client("phone"), 1)?;
/// votes.decrement(Replica::of_client("laptop"), 3)?;
/// assert_eq!(votes.value(), -2);
/// # Ok::<(), plasma_runtime::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PnCounter {
    p: GCounter,
    n: GCounter,
}

impl GCounter {
    /// Counts `by` more for a replica.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when the replica has counted more than 2^53 - 1.
    pub fn increment(&mut self, replica: Replica, by: u32) -> Result<()> {
        let slot = self.0.get(&replica).copied().unwrap_or(0) + u64::from(by);
        if slot > MAX_SAFE {
            return Err(Error::validation(format!("one client cannot count further than {MAX_SAFE}")));
        }
        // A slot of nothing says nothing: equal counts are equal bytes.
        if slot > 0 {
            self.0.insert(replica, slot);
        }
        Ok(())
    }

    /// What all have counted together; `i64::MAX` when it is more than that.
    pub fn value(&self) -> i64 {
        let sum = self.0.values().fold(0u64, |sum, slot| sum.saturating_add(*slot));
        i64::try_from(sum).unwrap_or(i64::MAX)
    }

    /// What one replica has counted.
    pub fn of(&self, replica: Replica) -> u64 {
        self.0.get(&replica).copied().unwrap_or(0)
    }
}

impl PnCounter {
    /// Counts up.
    ///
    /// # Errors
    /// As [`GCounter::increment`].
    pub fn increment(&mut self, replica: Replica, by: u32) -> Result<()> {
        self.p.increment(replica, by)
    }

    /// Counts down.
    ///
    /// # Errors
    /// As [`GCounter::increment`].
    pub fn decrement(&mut self, replica: Replica, by: u32) -> Result<()> {
        self.n.increment(replica, by)
    }

    /// Ups less downs.
    pub fn value(&self) -> i64 {
        self.p.value() - self.n.value()
    }
}

impl Crdt for GCounter {
    fn merge(&mut self, other: &Self) {
        for (replica, slot) in &other.0 {
            let mine = self.0.entry(*replica).or_default();
            *mine = (*mine).max(*slot);
        }
    }
}

impl Crdt for PnCounter {
    fn merge(&mut self, other: &Self) {
        self.p.merge(&other.p);
        self.n.merge(&other.n);
    }
}

impl<'de> Deserialize<'de> for GCounter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let slots = super::json::unique_members(deserializer)?;
        match slots.values().all(|slot| (1..=MAX_SAFE).contains(slot)) {
            true => Ok(GCounter(slots)),
            false => Err(serde::de::Error::custom("the slot of a counter is a whole number from 1 to 2^53 - 1")),
        }
    }
}
