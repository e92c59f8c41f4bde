//! Receipts of single mutations, and who follows the list of outcomes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::watch;
use uuid::Uuid;

use super::dispatch::{Dispatcher, lock};
use super::parts::{Core, OutcomesCall};
use super::receipts::outcome_state;
use super::shared::Shared;
use crate::client::event::{ClientError, ClientErrorKind};
use crate::client::outcomes::Outcome;
use crate::client::receipt::ReceiptState;
use crate::error::{Error, Result};

/// One who follows the outcomes.
pub(super) struct OutcomesEntry {
    alive: AtomicBool,
    call: Mutex<Box<dyn OutcomesCall>>,
}

impl Shared {
    /// A receipt for a mutation that was just issued.
    pub(crate) fn issue(&self, key: Uuid, state: ReceiptState) -> watch::Receiver<ReceiptState> {
        self.receipts.open(key, || state)
    }

    /// A receipt for any mutation of this store, from what the store knows.
    pub(crate) fn receipt(
        &self,
        core: &mut Core,
        key: Uuid,
    ) -> Result<Option<(Option<u64>, watch::Receiver<ReceiptState>)>> {
        let queued = core.engine.outbox(&mut *core.store)?.into_iter().find(|queued| queued.key == key);
        if let Some(queued) = queued {
            let state = if queued.acknowledged { ReceiptState::Acknowledged } else { ReceiptState::Durable };
            return Ok(Some((Some(queued.id), self.receipts.open(key, || state))));
        }
        if let Some(known) = self.receipts.known(key) {
            return Ok(Some((None, known)));
        }
        let outcome = core.engine.outcome(&mut *core.store, key)?;
        Ok(outcome.map(|outcome| {
            // Nothing will change it any more: it needs no place in the list.
            (Some(outcome.id), watch::Sender::new(outcome_state(&outcome)).subscribe())
        }))
    }

    /// These mutations are gone from the store.
    pub(crate) fn lost(&self, keys: impl Iterator<Item = Uuid>) {
        for key in keys {
            let error = Error::rejected("reset", "the local state was reset before the mutation was acknowledged");
            self.receipts.advance(key, ReceiptState::Lost(Arc::new(error)));
        }
    }

    /// Brings the receipts up to date with the store, after another process worked on it.
    pub(crate) fn refresh_receipts(&self, core: &mut Core) -> Result<()> {
        let open = self.receipts.open_keys();
        if open.is_empty() {
            return Ok(());
        }
        let outbox = core.engine.outbox(&mut *core.store)?;
        for key in open {
            match outbox.iter().find(|queued| queued.key == key) {
                Some(queued) if queued.acknowledged => self.receipts.advance(key, ReceiptState::Acknowledged),
                Some(_) => {}
                None => {
                    if let Some(outcome) = core.engine.outcome(&mut *core.store, key)? {
                        self.receipts.advance(key, outcome_state(&outcome));
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds a function that hears of the outcomes, and calls it with those there are.
    pub(crate) fn follow_outcomes(
        &self,
        core: &mut Core,
        call: impl OutcomesCall + 'static,
    ) -> Result<OutcomesFollower> {
        let outcomes = core.engine.outcomes(&mut *core.store)?;
        let entry = Arc::new(OutcomesEntry { alive: AtomicBool::new(true), call: Mutex::new(Box::new(call)) });
        lock(&self.outcome_calls).push(entry.clone());
        tell_outcomes(&self.dispatcher, &entry, &Arc::new(outcomes));
        Ok(OutcomesFollower { shared: self.me.clone(), entry })
    }

    /// The outcomes are others now: tells whoever follows them.
    pub(crate) fn outcomes_changed(&self, core: &mut Core) {
        let calls = lock(&self.outcome_calls).clone();
        if calls.is_empty() {
            return;
        }
        match core.engine.outcomes(&mut *core.store) {
            Ok(outcomes) => {
                let outcomes = Arc::new(outcomes);
                calls.iter().for_each(|entry| tell_outcomes(&self.dispatcher, entry, &outcomes));
            }
            Err(error) => {
                let me = self.me.clone();
                self.dispatcher.push(move || {
                    if let Some(shared) = me.upgrade() {
                        shared.heard(&ClientError { kind: ClientErrorKind::Storage, error, key: None });
                    }
                });
            }
        }
    }
}

/// Somebody who follows the outcomes.
pub(crate) struct OutcomesFollower {
    shared: Weak<Shared>,
    entry: Arc<OutcomesEntry>,
}

impl Drop for OutcomesFollower {
    fn drop(&mut self) {
        self.entry.alive.store(false, Ordering::SeqCst);
        if let Some(shared) = self.shared.upgrade() {
            lock(&shared.outcome_calls).retain(|other| !Arc::ptr_eq(other, &self.entry));
        }
    }
}

fn tell_outcomes(dispatcher: &Dispatcher, entry: &Arc<OutcomesEntry>, outcomes: &Arc<Vec<Outcome>>) {
    let (entry, outcomes) = (entry.clone(), outcomes.clone());
    dispatcher.push(move || {
        if entry.alive.load(Ordering::SeqCst) {
            lock(&entry.call).call(&outcomes);
        }
    });
}
