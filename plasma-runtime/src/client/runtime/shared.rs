//! The client without its types: engine, store, and everything that hears of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::{Mutex as TurnMutex, Notify, OwnedMutexGuard, oneshot, watch};

use super::clock::Clock;
use super::dispatch::{Dispatcher, lock};
use super::outcomes::OutcomesEntry;
use super::parts::{Core, Hooks, Network, Parts};
use super::perform::Agenda;
use super::receipts::Receipts;
use crate::client::engine::Engine;
use crate::client::event::{Action, ClientError, ClientErrorKind, Event};
use crate::client::status::Status;
use crate::error::{Error, ErrorKind, Result};
use crate::future::{BoxFuture, MaybeSend};
use crate::inputs::Inputs;
use crate::live::{Host, Router};
use crate::mutate::ErasedCtx;
use crate::store::SqlConnection;
use crate::value::{Kind, Value};

/// A client.
///
/// Locks, in the order in which they are taken: the turn (`core`), then any one of the small ones. No lock is held
/// across an await, and none while a function of the application runs, but for mutators and row decoders, which run in
/// the turn.
pub(crate) struct Shared {
    core: Arc<TurnMutex<Option<Core>>>,
    /// None after the close.
    reader: Option<Mutex<Option<Box<dyn SqlConnection>>>>,
    pub(super) ctx: Mutex<Arc<ErasedCtx>>,
    pub(super) network: Option<Network>,
    pub(super) hooks: Hooks,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(super) router: Router,
    pub(super) receipts: Receipts,
    pub(super) status: watch::Sender<Status>,
    pub(super) outcome_calls: Mutex<Vec<Arc<OutcomesEntry>>>,
    /// What the loop is to do.
    pub(super) agenda: Mutex<Agenda>,
    /// Wakes the loop.
    pub(super) wake: Notify,
    /// Held by the loop that drives.
    pub(super) driver: TurnMutex<()>,
    pub(super) watch_file_ms: Option<u64>,
    /// An image came: answers of this process may take long to work through.
    pub(super) image_came: AtomicBool,
    /// A page waits to be staged: the next tick takes long.
    pub(super) staging: AtomicBool,
    closed: AtomicBool,
    pub(super) me: Weak<Shared>,
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
            staging: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            me: me.clone(),
        });
        let mut core = Core {
            engine: parts.engine,
            store,
            entropy: parts.entropy,
            #[cfg(feature = "encryption")]
            nonces: Default::default(),
            data_version,
        };
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

/// Moves when another connection has changed the file: <https://www.sqlite.org/pragma.html#pragma_data_version>.
fn data_version(store: &mut dyn SqlConnection) -> Result<i64> {
    let rows = store.query("PRAGMA data_version", &[], &[Kind::BigInt])?;
    rows.first()
        .and_then(|row| row.first().and_then(Value::as_int))
        .ok_or_else(|| Error::new(ErrorKind::Storage, "the store does not tell its data version"))
}
