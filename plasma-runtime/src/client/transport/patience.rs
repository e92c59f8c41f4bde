//! How long a request may be silent before it counts as lost.
//!
//! Two things look alike from here: a connection whose other end is gone without a word (a NAT that forgot it, a server
//! that moved, packets that vanish), and a server that takes its time. The first calls for a short wait and another
//! connection, the second for a long wait. So the wait begins short, and doubles with each silence of a route in a row.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The silences of each route since its last answer.
#[derive(Debug, Default)]
pub(super) struct Patience(Mutex<BTreeMap<String, u32>>);

impl Patience {
    /// How long a request on this route may be silent now.
    pub(super) fn limit(&self, route: &str, first: Duration, most: Duration) -> Duration {
        let silences = self.lock().get(route).copied().unwrap_or(0);
        first.saturating_mul(1 << silences.min(16)).min(most.max(first))
    }

    /// Nothing came in time.
    pub(super) fn silent(&self, route: &str) {
        *self.lock().entry(route.to_owned()).or_default() += 1;
    }

    /// Something came.
    pub(super) fn answered(&self, route: &str) {
        self.lock().remove(route);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_with_each_silence_of_a_route_up_to_its_most() {
        let (first, most) = (Duration::from_secs(10), Duration::from_secs(60));
        let patience = Patience::default();
        let mut limits = Vec::new();
        for _ in 0..5 {
            limits.push(patience.limit("/push", first, most).as_secs());
            patience.silent("/push");
        }
        assert_eq!(limits, [10, 20, 40, 60, 60]);
        assert_eq!(patience.limit("/pull", first, most), first, "another route");
        patience.answered("/push");
        assert_eq!(patience.limit("/push", first, most), first);
        assert_eq!(patience.limit("/pull", most, first), most, "never below the first");
    }
}
