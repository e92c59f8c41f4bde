//! What the engine asks for: requests, and what the application hears of.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::dispatch::lock;
use super::parts::Core;
use super::shared::Shared;
use crate::client::event::{Action, ClientError, ClientErrorKind, Event, SendFailure};
use crate::client::receipt::ReceiptState;
use crate::error::{ErrorKind, Result};
use crate::inputs::Inputs;
use crate::protocol::{WireRequest, WireResponse};

/// What the loop is to do.
#[derive(Default)]
pub(super) struct Agenda {
    /// Requests that were not started.
    pub sends: VecDeque<Outgoing>,
    /// Events the engine has not taken.
    pub events: VecDeque<Event>,
    /// When the engine wants to be called, unix ms.
    pub wake_at: Option<i64>,
    /// Requests the engine waits for, and who waits for them.
    pub flights: BTreeMap<u64, Flight>,
}

/// A request to send.
pub(super) struct Outgoing {
    pub request: u64,
    pub wire: WireRequest,
    pub refresh_auth: bool,
    /// Where the body of the answer goes when it is a file.
    pub to: Option<std::path::PathBuf>,
}

/// A request the engine waits for.
pub(super) struct Flight {
    pub is_push: bool,
    pub waiters: Vec<oneshot::Sender<Result<()>>>,
}

impl Shared {
    /// The answer of a request, or why there is none.
    pub(super) fn answer(
        &self,
        core: &mut Core,
        request: u64,
        outcome: Result<WireResponse, SendFailure>,
    ) -> Result<()> {
        let flight = lock(&self.agenda).flights.remove(&request);
        let (is_push, mut waiters) = flight.map_or((false, Vec::new()), |flight| (flight.is_push, flight.waiters));
        let succeeded = outcome.as_ref().is_ok_and(|answer| answer.status == 200);
        let ctx = lock(&self.ctx).clone();
        let mut inputs = Inputs { now: self.clock.now_ms(), entropy: &mut *core.entropy };
        let handled = core.engine.handle(&mut *core.store, &*ctx, Event::Response { request, outcome }, &mut inputs);
        let (actions, failed) = match handled {
            Ok(actions) => {
                let failed = actions.iter().find_map(|action| match action {
                    Action::Report(report) if is_of_request(report.kind) => Some(report.error.duplicate()),
                    _ => None,
                });
                (actions, failed)
            }
            Err(error) => (Vec::new(), Some(error)),
        };
        self.staging.store(core.engine.holds_page(), Ordering::Relaxed);
        self.perform(core, actions);
        if !succeeded || failed.is_some() {
            // The engine may have asked again at once (with fresh credentials, in smaller pieces, under another client
            // id): that answer is the one whoever waits wants.
            let mut agenda = lock(&self.agenda);
            if let Some(again) = agenda.flights.values_mut().find(|flight| flight.is_push == is_push) {
                again.waiters.append(&mut waiters);
            }
        }
        for waiter in waiters {
            // Whoever waited may have gone.
            let _gone = waiter.send(failed.as_ref().map_or(Ok(()), |error| Err(error.duplicate())));
        }
        failed.filter(|error| error.kind() == ErrorKind::Closed).map_or(Ok(()), Err)
    }

    /// Does what the engine asks for. Everything the application hears of is queued in the order of the actions.
    pub(crate) fn perform(&self, core: &mut Core, actions: Vec<Action>) {
        let mut wake = false;
        for action in actions {
            let (action, to) = match action {
                Action::Download { request, wire, refresh_auth, to } => {
                    (Action::Send { request, wire, refresh_auth }, Some(to))
                }
                action => (action, None),
            };
            match action {
                Action::Send { request, wire, refresh_auth } => {
                    wake = true;
                    let is_push = wire.path.ends_with("/push");
                    let mut agenda = lock(&self.agenda);
                    // The engine waits for one push and one pull: one that is still in the air it has given up.
                    let given_up = agenda.flights.iter().find(|(_, flight)| flight.is_push == is_push);
                    let given_up = given_up.map(|(request, _)| *request);
                    let waiters = given_up.and_then(|request| agenda.flights.remove(&request));
                    let waiters = waiters.map(|flight| flight.waiters).unwrap_or_default();
                    agenda.flights.insert(request, Flight { is_push, waiters });
                    agenda.sends.push_back(Outgoing { request, wire, refresh_auth, to });
                }
                Action::Download { .. } => unreachable!("it was made a send"),
                Action::WakeAt(at) => {
                    let before = lock(&self.agenda).wake_at.replace(at);
                    // Who sleeps until then already need not be woken to hear it.
                    wake |= before != Some(at);
                }
                Action::Changed(batch) => self.router.changed(&batch, &mut *core.store),
                Action::Progress { key, progress } => {
                    let me = self.me.clone();
                    self.dispatcher.push(move || {
                        if let Some(shared) = me.upgrade() {
                            shared.receipts.progress(key, progress);
                        }
                    });
                }
                Action::OutcomesChanged => self.outcomes_changed(core),
                // Read below, whatever happened: the time alone may change it.
                Action::StatusChanged => {}
                Action::Report(error) => {
                    if let (ClientErrorKind::Storage, Some(key)) = (error.kind, error.key) {
                        // A write-behind group was not committed.
                        self.receipts.advance(key, ReceiptState::Lost(Arc::new(error.error.duplicate())));
                    }
                    tracing::warn!(kind = ?error.kind, error = %error.error, key = ?error.key, "sync");
                    let me = self.me.clone();
                    self.dispatcher.push(move || {
                        if let Some(shared) = me.upgrade() {
                            shared.heard(&error);
                        }
                    });
                }
            }
        }
        self.refresh_status(core);
        if wake {
            self.wake.notify_one();
        }
    }

    pub(super) fn refresh_status(&self, core: &Core) {
        let status = core.engine.status(self.clock.now_ms());
        self.status.send_if_modified(|known| {
            let modified = *known != status;
            if modified {
                *known = status;
            }
            modified
        });
    }

    /// Tells the application's hooks.
    pub(super) fn heard(&self, error: &ClientError) {
        if error.kind == ClientErrorKind::SchemaMismatch
            && let Some(hook) = &self.hooks.on_schema_mismatch
        {
            hook.call(error);
        }
        if let Some(hook) = &self.hooks.on_error {
            hook.call(error);
        }
    }

    /// Tells the application of an error that did not come from the engine.
    pub(crate) fn report(&self, error: ClientError) {
        tracing::warn!(kind = ?error.kind, error = %error.error, "client");
        let me = self.me.clone();
        self.dispatcher.push(move || {
            if let Some(shared) = me.upgrade() {
                shared.heard(&error);
            }
        });
        self.tell();
    }
}

/// Whether the failure is one of a whole request, not of one mutation in it.
fn is_of_request(kind: ClientErrorKind) -> bool {
    use ClientErrorKind::{Network, PullHttp, PushHttp, SchemaMismatch, Storage};
    matches!(kind, Network | PushHttp | PullHttp | SchemaMismatch | Storage)
}
