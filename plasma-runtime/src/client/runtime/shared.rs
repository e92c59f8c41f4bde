//! The client without its types: engine, store, and everything that hears of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::{Mutex as TurnMutex, Notify, OwnedMutexGuard, oneshot, watch};
use uuid::Uuid;

use super::clock::Clock;
use super::dispatch::{Dispatcher, lock};
use super::receipts::{Receipts, outcome_state};
use crate::client::engine::Engine;
use crate::client::event::{Action, ClientError, ClientErrorKind, Event, SendFailure};
use crate::client::outcomes::Outcome;
use crate::client::receipt::ReceiptState;
use crate::client::status::Status;
use crate::client::transport::{AuthProvider, Transport};
use crate::error::{Error, ErrorKind, Result};
use crate::future::{BoxFuture, MaybeSend, MaybeSync};
use crate::inputs::{Entropy, Inputs};
use crate::live::{Host, Router};
use crate::mutate::ErasedCtx;
use crate::protocol::{WireRequest, WireResponse};
use crate::store::SqlConnection;
use crate::value::{Kind, Value};

/// What one turn of the writer works on.
pub(crate) struct Core {
    pub engine: Engine,
    pub store: Box<dyn SqlConnection>,
    pub entropy: Box<dyn Entropy>,
    /// SQLite's mark of changes by other connections, when the store is a file that others may open.
    data_version: Option<i64>,
}

/// How the server is reached.
pub(crate) struct Network {
    pub transport: Arc<dyn Transport>,
    pub auth: Option<Arc<dyn AuthProvider>>,
    /// The longest a request may take beyond the `wait` it asks for, ms.
    pub timeout_ms: u64,
}

/// The application's functions.
#[derive(Default)]
pub(crate) struct Hooks {
    pub on_error: Option<Box<dyn ErrorCall>>,
    pub on_schema_mismatch: Option<Box<dyn ErrorCall>>,
}

/// A function that hears of errors.
pub(crate) trait ErrorCall: MaybeSend + MaybeSync {
    fn call(&self, error: &ClientError);
}

impl<F: Fn(&ClientError) + MaybeSend + MaybeSync> ErrorCall for F {
    fn call(&self, error: &ClientError) {
        self(error);
    }
}

/// A function that hears of outcomes.
pub(crate) trait OutcomesCall: MaybeSend {
    fn call(&mut self, outcomes: &[Outcome]);
}

impl<F: FnMut(&[Outcome]) + MaybeSend> OutcomesCall for F {
    fn call(&mut self, outcomes: &[Outcome]) {
        self(outcomes);
    }
}

/// What a client is put together from.
pub(crate) struct Parts {
    pub engine: Engine,
    pub actions: Vec<Action>,
    pub writer: Box<dyn SqlConnection>,
    pub reader: Option<Box<dyn SqlConnection>>,
    /// Other processes may open the store: look for their changes this often, ms.
    pub watch_file_ms: Option<u64>,
    pub ctx: Arc<ErasedCtx>,
    pub network: Option<Network>,
    pub hooks: Hooks,
    pub clock: Arc<dyn Clock>,
    pub entropy: Box<dyn Entropy>,
}

/// A client.
///
/// Locks, in the order in which they are taken: the turn (`core`), then any one of the small ones. No lock is held
/// across an await, and none while a function of the application runs, but for mutators and row decoders, which run in
/// the turn.
pub(crate) struct Shared {
    core: Arc<TurnMutex<Option<Core>>>,
    /// None after the close.
    reader: Option<Mutex<Option<Box<dyn SqlConnection>>>>,
    ctx: Mutex<Arc<ErasedCtx>>,
    pub(super) network: Option<Network>,
    hooks: Hooks,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dispatcher: Arc<Dispatcher>,
    router: Router,
    receipts: Receipts,
    status: watch::Sender<Status>,
    outcome_calls: Mutex<Vec<Arc<OutcomesEntry>>>,
    /// What the loop is to do.
    pub(super) agenda: Mutex<Agenda>,
    /// Wakes the loop.
    pub(super) wake: Notify,
    /// Held by the loop that drives.
    pub(super) driver: TurnMutex<()>,
    pub(super) watch_file_ms: Option<u64>,
    /// An image came: answers of this process may take long to work through.
    pub(super) image_came: AtomicBool,
    closed: AtomicBool,
    me: Weak<Shared>,
}

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

struct OutcomesEntry {
    alive: AtomicBool,
    call: Mutex<Box<dyn OutcomesCall>>,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let status = parts.engine.status(parts.clock.now_ms());
        let mut store = parts.writer;
        let data_version = parts.watch_file_ms.and_then(|_| data_version(&mut *store).ok());
        let shared = Arc::new_cyclic(|me| Shared {
            core: Arc::new(TurnMutex::new(None)),
            reader: parts.reader.map(|reader| Mutex::new(Some(reader))),
            ctx: Mutex::new(parts.ctx),
            network: parts.network,
            hooks: parts.hooks,
            clock: parts.clock,
            dispatcher: Arc::default(),
            router: Router::default(),
            receipts: Receipts::default(),
            status: watch::Sender::new(status),
            outcome_calls: Mutex::default(),
            agenda: Mutex::default(),
            wake: Notify::new(),
            driver: TurnMutex::new(()),
            watch_file_ms: parts.watch_file_ms,
            image_came: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            me: me.clone(),
        });
        let mut core = Core { engine: parts.engine, store, entropy: parts.entropy, data_version };
        shared.perform(&mut core, parts.actions);
        *shared.core.try_lock().expect("nobody else knows this client yet") = Some(core);
        shared.tell();
        shared
    }

    // ---- turns ----

    /// Works on the core in a turn of the writer.
    pub(crate) async fn turn<R>(&self, work: impl FnOnce(&mut Core) -> Result<R>) -> Result<R> {
        let guard = self.core.clone().lock_owned().await;
        self.work(guard, work)
    }

    /// The same for work that may take long: on a thread for blocking work, where there is one.
    pub(super) async fn long_turn<R: MaybeSend + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Shared, &mut Core) -> Result<R> + MaybeSend + 'static,
    ) -> Result<R> {
        let guard = self.core.clone().lock_owned().await;
        #[cfg(all(feature = "http-client", not(target_family = "wasm")))]
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let shared = self.clone();
            let run = move || shared.work(guard, |core| work(&shared, core));
            return match runtime.spawn_blocking(run).await {
                Ok(result) => result,
                Err(stopped) => match stopped.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => Err(Error::new(ErrorKind::Closed, "the runtime is shutting down")),
                },
            };
        }
        self.work(guard, |core| work(self, core))
    }

    /// Works, and ends the turn: whatever waits for the writer or is to be told is not forgotten.
    fn work<R>(
        &self,
        mut guard: OwnedMutexGuard<Option<Core>>,
        work: impl FnOnce(&mut Core) -> Result<R>,
    ) -> Result<R> {
        let result = match guard.as_mut() {
            Some(core) => work(core),
            None => Err(Error::new(ErrorKind::Closed, "the client is closed")),
        };
        self.finish(guard);
        result
    }

    /// Ends a turn. A query that is enlisted while the turn is held finds the writer busy and relies on this: it is
    /// admitted before the turn ends, or by the second look after it. So is a close.
    fn finish(&self, mut guard: OwnedMutexGuard<Option<Core>>) {
        loop {
            if self.is_closed() {
                if let Some(core) = guard.take() {
                    self.end(core);
                }
            } else if let Some(core) = guard.as_mut() {
                self.router.admit(&mut *core.store);
            }
            let open = guard.is_some();
            drop(guard);
            let again = if self.is_closed() { open } else { self.router.has_waiting() };
            if !again {
                break;
            }
            match self.core.clone().try_lock_owned() {
                Ok(next) => guard = next,
                Err(_) => break,
            }
        }
        self.tell();
    }

    /// Closes the store: what write-behind still holds is committed, and another process may sync at once.
    fn end(&self, mut core: Core) {
        match self.event(&mut core, Event::Stop) {
            Ok(_) => {}
            // It was signed out.
            Err(error) if error.kind() == ErrorKind::Closed => {}
            Err(error) => tracing::error!(%error, "the store could not be closed in order"),
        }
        // The writer's connection is the last to go: it folds the write-ahead log into the file, a reader cannot.
        let reader = self.reader.as_ref().and_then(|reader| lock(reader).take());
        drop(reader);
    }

    /// Tells the application what is queued.
    pub(crate) fn tell(&self) {
        self.dispatcher.drain(&|panic| {
            tracing::error!(panic, "a callback panicked");
            self.heard(&ClientError {
                kind: ClientErrorKind::Callback,
                error: Error::new(ErrorKind::Panic, format!("a callback panicked: {panic}")),
                key: None,
            });
        });
    }

    // ---- steps of the engine ----

    /// One step of the engine, and what follows from it.
    pub(crate) fn step<R>(
        &self,
        core: &mut Core,
        step: impl FnOnce(&mut Engine, &mut dyn SqlConnection, &ErasedCtx, &mut Inputs<'_>) -> Result<(R, Vec<Action>)>,
    ) -> Result<R> {
        let ctx = lock(&self.ctx).clone();
        let mut inputs = Inputs { now: self.clock.now_ms(), entropy: &mut *core.entropy };
        let (result, actions) = step(&mut core.engine, &mut *core.store, &*ctx, &mut inputs)?;
        self.perform(core, actions);
        Ok(result)
    }

    /// Gives the engine an event; returns the requests that it wants sent.
    pub(crate) fn event(&self, core: &mut Core, event: Event) -> Result<Vec<u64>> {
        self.step(core, |engine, store, ctx, inputs| {
            let actions = engine.handle(store, ctx, event, inputs)?;
            let sends = actions.iter().filter_map(|action| match action {
                Action::Send { request, .. } | Action::Download { request, .. } => Some(*request),
                _ => None,
            });
            Ok((sends.collect(), actions))
        })
    }

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
                    wake = true;
                    lock(&self.agenda).wake_at = Some(at);
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

    fn refresh_status(&self, core: &Core) {
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
    fn heard(&self, error: &ClientError) {
        if error.kind == ClientErrorKind::SchemaMismatch
            && let Some(hook) = &self.hooks.on_schema_mismatch
        {
            hook.call(error);
        }
        if let Some(hook) = &self.hooks.on_error {
            hook.call(error);
        }
    }

    /// Looks whether another process has changed the store, and takes its changes in.
    pub(crate) fn look_at_file(&self, core: &mut Core) -> Result<()> {
        let Some(known) = core.data_version else { return Ok(()) };
        let now = data_version(&mut *core.store)?;
        if now == known {
            return Ok(());
        }
        core.data_version = Some(now);
        self.event(core, Event::ForeignChange)?;
        self.refresh_receipts(core)?;
        self.outcomes_changed(core);
        Ok(())
    }

    // ---- what the application asks for ----

    /// A connection for reading: the reader's own where there is one, so that a long apply does not block reads.
    pub(crate) async fn read<R>(&self, work: impl FnOnce(&mut dyn SqlConnection) -> Result<R>) -> Result<R> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Closed, "the client is closed"));
        }
        match &self.reader {
            Some(reader) => match lock(reader).as_mut() {
                Some(reader) => work(&mut **reader),
                None => Err(Error::new(ErrorKind::Closed, "the client is closed")),
            },
            None => self.turn(|core| work(&mut *core.store)).await,
        }
    }

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

    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Runs the mutators with another context from now on, the pending ones too.
    pub(crate) async fn change_ctx(&self, ctx: Arc<ErasedCtx>) -> Result<()> {
        self.turn(|core| {
            *lock(&self.ctx) = ctx;
            self.step(core, |engine, store, ctx, inputs| Ok(((), engine.set_ctx(store, ctx, inputs)?)))
        })
        .await
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

    /// Leaves an event for the loop.
    pub(crate) fn post(&self, event: Event) {
        lock(&self.agenda).events.push_back(event);
        self.wake.notify_one();
    }

    /// Waits for a request that the engine waits for.
    pub(crate) fn wait_for(&self, request: u64) -> Option<oneshot::Receiver<Result<()>>> {
        let (sender, receiver) = oneshot::channel();
        lock(&self.agenda).flights.get_mut(&request)?.waiters.push(sender);
        Some(receiver)
    }

    /// The push or pull that is under way.
    pub(crate) fn under_way(&self, push: bool) -> Option<u64> {
        lock(&self.agenda).flights.iter().find(|(_, flight)| flight.is_push == push).map(|(request, _)| *request)
    }

    /// Whether this request is a push; none when the engine does not wait for it.
    pub(crate) fn is_push(&self, request: u64) -> Option<bool> {
        lock(&self.agenda).flights.get(&request).map(|flight| flight.is_push)
    }

    /// Whether a loop is at work.
    pub(crate) fn is_driven(&self) -> bool {
        self.driver.try_lock().is_err()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Ends the client: nothing new begins, the loop ends, waiters hear of it, and the store is closed by whoever has
    /// the turn.
    pub(crate) fn shut(&self) {
        if self.closed.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Ok(guard) = self.core.clone().try_lock_owned() {
            self.finish(guard);
        }
        self.after_close();
    }

    /// The same, and waits until the store is closed.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let guard = self.core.clone().lock_owned().await;
        self.finish(guard);
        self.after_close();
    }

    fn after_close(&self) {
        self.wake.notify_waiters();
        self.wake.notify_one();
        lock(&self.agenda).flights.clear();
        self.receipts.close();
        self.router.close();
        lock(&self.outcome_calls).clear();
    }

    /// The client, for its live queries.
    pub(crate) fn host(&self) -> Weak<dyn Host> {
        self.me.clone()
    }
}

impl Host for Shared {
    fn router(&self) -> &Router {
        &self.router
    }

    fn kick(&self) {
        match self.core.clone().try_lock_owned() {
            Ok(guard) => self.finish(guard),
            // Whoever has the turn looks after it; what is queued already is told now.
            Err(_) => self.tell(),
        }
    }

    fn turn(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let guard = self.core.clone().lock_owned().await;
            self.finish(guard);
        })
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

/// Whether the failure is one of a whole request, not of one mutation in it.
fn is_of_request(kind: ClientErrorKind) -> bool {
    use ClientErrorKind::{Network, PullHttp, PushHttp, SchemaMismatch, Storage};
    matches!(kind, Network | PushHttp | PullHttp | SchemaMismatch | Storage)
}

/// Moves when another connection has changed the file: <https://www.sqlite.org/pragma.html#pragma_data_version>.
fn data_version(store: &mut dyn SqlConnection) -> Result<i64> {
    let rows = store.query("PRAGMA data_version", &[], &[Kind::BigInt])?;
    rows.first()
        .and_then(|row| row.first().and_then(Value::as_int))
        .ok_or_else(|| Error::new(ErrorKind::Storage, "the store does not tell its data version"))
}
