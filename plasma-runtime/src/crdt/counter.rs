//! Counters: each replica counts in a slot of its own, and only it raises that slot.

use serde::{Deserialize, Serialize};

use super::scan::Scan;
use super::slots::Slots;
use super::{Crdt, Replica};
use crate::error::Result;

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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
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
        self.0.count(replica, by)
    }

    /// What all have counted together; `i64::MAX` when it is more than that.
    pub fn value(&self) -> i64 {
        self.0.sum()
    }

    /// What one replica has counted.
    pub fn of(&self, replica: Replica) -> u64 {
        self.0.of(replica)
    }

    /// The canonical JSON.
    pub(crate) fn to_json(&self) -> String {
        let mut json = String::new();
        self.0.push_to(&mut json);
        json
    }

    /// Reads the canonical JSON and no other spelling.
    pub(super) fn from_canonical(json: &str) -> Option<Self> {
        let mut scan = Scan::new(json);
        let slots = Slots::scan(&mut scan)?;
        scan.end().map(|()| GCounter(slots))
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

    /// The canonical JSON.
    pub(crate) fn to_json(&self) -> String {
        let mut json = String::from("{\"p\":");
        self.p.0.push_to(&mut json);
        json.push_str(",\"n\":");
        self.n.0.push_to(&mut json);
        json.push('}');
        json
    }

    /// Reads the canonical JSON and no other spelling.
    pub(super) fn from_canonical(json: &str) -> Option<Self> {
        let mut scan = Scan::new(json);
        scan.expect("{\"p\":")?;
        let p = GCounter(Slots::scan(&mut scan)?);
        scan.expect(",\"n\":")?;
        let n = GCounter(Slots::scan(&mut scan)?);
        scan.expect("}")?;
        scan.end().map(|()| PnCounter { p, n })
    }
}

impl Crdt for GCounter {
    fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }
}

impl Crdt for PnCounter {
    fn merge(&mut self, other: &Self) {
        self.p.merge(&other.p);
        self.n.merge(&other.n);
    }
}
