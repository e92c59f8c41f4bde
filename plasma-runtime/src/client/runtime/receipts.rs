//! Who waits for which mutation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use uuid::Uuid;

use super::dispatch::lock;
use crate::client::event::Progress;
use crate::client::outcomes::Outcome;
use crate::client::receipt::ReceiptState;

/// The receipts that somebody holds, by key.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    by_key: Mutex<HashMap<Uuid, watch::Sender<ReceiptState>>>,
}

impl Receipts {
    /// A receipt for this mutation; `state` says where it is when nobody holds one yet.
    pub(crate) fn open(&self, key: Uuid, state: impl FnOnce() -> ReceiptState) -> watch::Receiver<ReceiptState> {
        let mut by_key = lock(&self.by_key);
        // Receipts that nobody holds are forgotten when the map would grow.
        if by_key.len() == by_key.capacity() {
            by_key.retain(|_, sender| sender.receiver_count() > 0);
        }
        by_key.entry(key).or_insert_with(|| watch::Sender::new(state())).subscribe()
    }

    /// A receipt that somebody holds.
    pub(crate) fn known(&self, key: Uuid) -> Option<watch::Receiver<ReceiptState>> {
        lock(&self.by_key).get(&key).map(watch::Sender::subscribe)
    }

    /// A mutation went on.
    pub(crate) fn progress(&self, key: Uuid, progress: Progress) {
        self.advance(
            key,
            match progress {
                Progress::Durable => ReceiptState::Durable,
                Progress::Acknowledged(Ok(())) => ReceiptState::Acknowledged,
                Progress::Acknowledged(Err(error)) => ReceiptState::Rejected(Arc::new(error)),
                Progress::Observed => ReceiptState::Observed,
            },
        );
    }

    /// A mutation is in this state now, or further.
    pub(crate) fn advance(&self, key: Uuid, state: ReceiptState) {
        let mut by_key = lock(&self.by_key);
        let Some(sender) = by_key.get(&key) else { return };
        let last = state.is_last();
        // Progress only goes forward: "observed" may be heard before "acknowledged" when a pull is faster than a push.
        sender.send_if_modified(|known| {
            let forward = !known.is_last() && state.rank() > known.rank();
            if forward {
                *known = state;
            }
            forward
        });
        if last || sender.receiver_count() == 0 {
            by_key.remove(&key);
        }
    }

    /// The mutations whose end somebody waits for.
    pub(crate) fn open_keys(&self) -> Vec<Uuid> {
        let by_key = lock(&self.by_key);
        by_key.iter().filter(|(_, sender)| sender.receiver_count() > 0).map(|(key, _)| *key).collect()
    }

    /// Nothing will go on any more: whoever waits hears that the client is closed.
    pub(crate) fn close(&self) {
        lock(&self.by_key).clear();
    }
}

/// The state of a mutation that ended so.
pub(crate) fn outcome_state(outcome: &Outcome) -> ReceiptState {
    match outcome.result() {
        Ok(()) => ReceiptState::Observed,
        Err(error) => ReceiptState::Rejected(Arc::new(error)),
    }
}
