//! A pool of connections that all read and write.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, Semaphore, watch};
use tokio::time::timeout;

use super::super::database::ConnectionPool;
use super::patience::Patience;
use super::sequencer::{Committed, Sequencer};
use super::upkeep::UpkeepTask;
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::inputs::Entropy;
use crate::protocol::PushResponse;
use crate::server::hooks::{ServerError, ServerErrorKind};
use crate::server::poke::{Hub, Poke};
use crate::server::push::{Done, Work};
use crate::server::{ClockFn, CompactionOptions, CompactionResult, JOBS, PushJob, Refusal, ServerEngine, Task, Upkeep};
use crate::store::SqlExecutor;

/// How much a pooled server takes on.
#[derive(Debug, Clone, Copy)]
pub(in crate::server::http) struct PooledOptions {
    /// Reads at once; none for three quarters of the connections.
    pub(in crate::server::http) readers: Option<usize>,
    /// Pushes and tasks that may wait for a connection.
    pub(in crate::server::http) queue: usize,
    /// How long they may.
    pub(in crate::server::http) wait: Duration,
}

/// A pool at work.
pub(in crate::server) struct Pooled {
    engine: Arc<ServerEngine>,
    pool: Arc<dyn ConnectionPool>,
    clock: ClockFn,
    entropy: SharedEntropy,
    hub: Arc<Hub>,
    options: PooledOptions,
    /// Neither writes nor reads may take all connections.
    writes: Arc<Semaphore>,
    reads: Semaphore,
    /// Writes that were taken and have not ended.
    taken: AtomicUsize,
    lanes: Lanes,
    /// The turn of those that lost against others.
    retries: Arc<tokio::sync::Mutex<()>>,
    closed: AtomicBool,
    committed: Arc<Committed>,
    _sequencer: Sequencer,
    _upkeep: UpkeepTask,
}

impl fmt::Debug for Pooled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pooled").field("taken", &self.taken.load(Ordering::Relaxed)).finish_non_exhaustive()
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        self.pool.close();
    }
}

impl Pooled {
    /// Makes the schema where it is missing.
    pub(in crate::server::http) async fn open(
        pool: Arc<dyn ConnectionPool>,
        engine: Arc<ServerEngine>,
        clock: ClockFn,
        mut entropy: Box<dyn Entropy>,
        options: PooledOptions,
        hub: Arc<Hub>,
    ) -> Result<Arc<Self>> {
        let mut db = pool.get().await?;
        engine.ensure_schema(&mut *db, clock(), &mut *entropy).await?;
        drop(db);
        let most = pool.size() - pool.size() / 4;
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        let committed = Arc::<Committed>::default();
        let told = (Arc::clone(&hub), Arc::clone(&committed));
        let sequencer = Sequencer::start(Arc::clone(&engine), Arc::clone(&pool), told.0, told.1);
        Ok(Arc::new_cyclic(|this| Pooled {
            _upkeep: UpkeepTask::start(Weak::clone(this)),
            writes: Arc::new(Semaphore::new(most)),
            reads: Semaphore::new(options.readers.unwrap_or(most).clamp(1, Semaphore::MAX_PERMITS)),
            engine,
            pool,
            clock,
            entropy: SharedEntropy(Arc::new(Mutex::new(entropy))),
            hub,
            options,
            taken: AtomicUsize::new(0),
            lanes: Lanes::default(),
            retries: Arc::default(),
            closed: AtomicBool::new(false),
            committed,
            _sequencer: sequencer,
        }))
    }

    pub(super) fn pokes(&self) -> watch::Receiver<Poke> {
        let receiver = self.hub.subscribe();
        self.committed.look();
        receiver
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Runs a push; once it has begun it goes on when nobody waits for it any more.
    pub(super) async fn push(self: &Arc<Self>, job: PushJob) -> Result<PushResponse, Refusal> {
        match self.take(Job::Push(job)).await {
            Ok(Done::Push(answer)) => answer,
            Ok(Done::Task(_)) => Err(Refusal::internal()),
            Err(why) => Err(self.refusal(why)),
        }
    }

    /// Runs a task; once it has begun it goes on when nobody waits for it any more.
    pub(super) async fn task(self: &Arc<Self>, task: Task) -> Result<()> {
        match self.take(Job::Task(task)).await {
            Ok(Done::Task(result)) => result,
            Ok(Done::Push(_)) => Err(Error::internal("a task was answered as a push")),
            Err(Untaken::Closed) => Err(Error::new(ErrorKind::Closed, "the server is closed")),
            Err(Untaken::Full) => Err(Error::new(ErrorKind::Fault, "the server has too much to do")),
            Err(Untaken::NoConnection(error)) => Err(error),
        }
    }

    /// Runs `read` on a connection of the pool.
    pub(super) async fn read<T: Send>(
        &self,
        read: impl for<'a> FnOnce(&'a mut dyn SqlExecutor) -> BoxFuture<'a, T> + Send,
    ) -> Result<T> {
        let busy = || Error::new(ErrorKind::Fault, "no connection was free for too long");
        let closed = || Error::new(ErrorKind::Closed, "the server is closed");
        if self.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        let permit = timeout(self.options.wait, self.reads.acquire()).await.map_err(|_| busy())?;
        let _permit = permit.map_err(|_| closed())?;
        let mut db = self.pool.get().await?;
        Ok(read(&mut *db).await)
    }

    /// Compacts the change log, in short transactions with rests between them.
    pub(super) async fn compact(&self, options: CompactionOptions) -> Result<CompactionResult> {
        let mut upkeep = Upkeep::compaction(options);
        super::upkeep::round(self, &mut upkeep).await?;
        Ok(upkeep.done().compaction.unwrap_or_default())
    }

    pub(super) fn engine(&self) -> &ServerEngine {
        &self.engine
    }

    pub(super) fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Tells the other processes which positions pages are being pulled from here.
    pub(super) async fn publish_leases(&self) -> Result<()> {
        let mut db = self.pool.get().await?;
        let mut entropy = self.entropy.clone();
        self.engine.publish_leases(&mut *db, self.now(), &mut entropy).await
    }

    /// One step of upkeep, on a connection of its own.
    #[expect(clippy::disallowed_methods, reason = "steps are timed")]
    pub(super) async fn upkeep_step(&self, upkeep: &mut Upkeep) -> Result<(bool, Duration)> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the server is closed"));
        }
        let mut db = self.pool.get().await?;
        let started = std::time::Instant::now();
        let more = self.engine.upkeep_step(&mut *db, self.now(), upkeep).await?;
        let took = started.elapsed();
        self.engine.upkeep_took(upkeep, took);
        Ok((more, took))
    }

    /// Takes a job, when there is room, and runs it on a task of its own: a request that is dropped must not stop it
    /// half-way. One that is dropped while it waits for its turn or for a connection was never begun.
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that spawns")]
    async fn take(self: &Arc<Self>, job: Job) -> Result<Done, Untaken> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Untaken::Closed);
        }
        let place = Place::take(Arc::clone(self)).ok_or(Untaken::Full)?;
        // Pushes of one client stay in the order they came in, and hold no connection while they wait for each other.
        let turn = self.lanes.turn(job.lane()).await;
        let permit = timeout(self.options.wait, Arc::clone(&self.writes).acquire_owned()).await;
        let permit = permit.map_err(|_| Untaken::Full)?.map_err(|_| Untaken::Closed)?;
        let db = self.pool.get().await.map_err(Untaken::NoConnection)?;
        let this = Arc::clone(self);
        let running = tokio::spawn(async move {
            let _held = (place, turn, permit);
            this.run(db, job).await
        });
        // A panic of the engine's own: nothing is known to be committed.
        running.await.unwrap_or_else(|e| Err(Untaken::NoConnection(Error::internal("a push panicked").with_source(e))))
    }

    async fn run(&self, mut db: Box<dyn SqlExecutor>, job: Job) -> Result<Done, Untaken> {
        let mut entropy = self.entropy.clone();
        let work = [job.work()];
        let mut retry = self.patience();
        let now = (self.clock)();
        let mut done = self.engine.run_group(&mut *db, now, &mut entropy, &work, &mut || true, &mut retry).await;
        drop(retry);
        drop(db);
        let done = done.pop().ok_or_else(|| Untaken::NoConnection(Error::internal("a push was not run")))?;
        if done.advances() {
            self.committed.note(job.group());
        }
        Ok(done)
    }

    fn patience(&self) -> Patience<SharedEntropy> {
        let tries = self.engine.options().concurrency.tries;
        Patience { turns: Arc::clone(&self.retries), turn: None, entropy: self.entropy.clone(), tries }
    }

    fn refusal(&self, why: Untaken) -> Refusal {
        match why {
            Untaken::Full => Refusal::overloaded(),
            Untaken::Closed => Refusal::unavailable(),
            // All are taken: that is no defect to be told of.
            Untaken::NoConnection(error) if error.kind() == ErrorKind::Fault => Refusal::overloaded(),
            Untaken::NoConnection(error) => {
                let report = ServerError::new(ServerErrorKind::Internal, error);
                self.engine.options().hooks.report(&report);
                Refusal::unavailable()
            }
        }
    }
}

/// Why a job was not run.
enum Untaken {
    Full,
    Closed,
    NoConnection(Error),
}

/// A push or a task.
enum Job {
    Push(PushJob),
    Task(Task),
}

impl Job {
    fn work(&self) -> Work<'_> {
        match self {
            Job::Push(job) => Work::Push(job),
            Job::Task(task) => Work::Task(task),
        }
    }

    /// What must run one after the other: pushes of one client, and jobs with a key, which share one ledger row.
    fn lane(&self) -> Option<&str> {
        match self {
            Job::Push(job) => Some(&job.request.client_id),
            Job::Task(task) => task.key.map(|_| JOBS),
        }
    }

    fn group(&self) -> Option<String> {
        match self {
            Job::Push(job) => Some(job.caller.group.clone()),
            Job::Task(_) => None,
        }
    }
}

/// A place among the writes that were taken.
struct Place(Arc<Pooled>);

impl Place {
    fn take(pooled: Arc<Pooled>) -> Option<Self> {
        let most = pooled.options.queue.max(1);
        let taken = &pooled.taken;
        let grown = |taken: usize| (taken < most).then_some(taken + 1);
        taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, grown).ok()?;
        Some(Place(pooled))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One turn at a time in each lane, in the order they were asked for.
#[derive(Default)]
struct Lanes(Arc<Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>>);

impl Lanes {
    async fn turn(&self, lane: Option<&str>) -> Option<Turn> {
        let name = lane?;
        let lane = Arc::clone(lock(&self.0).entry(name.to_owned()).or_default());
        // Made before the wait: whoever gives that up takes the lane away as well.
        let mut turn = Turn { guard: None, name: name.to_owned(), lanes: Arc::clone(&self.0) };
        turn.guard = Some(lane.lock_owned().await);
        Some(turn)
    }
}

/// A turn in a lane. The last one takes the lane away.
struct Turn {
    guard: Option<OwnedMutexGuard<()>>,
    name: String,
    lanes: Arc<Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut lanes = lock(&self.lanes);
        self.guard.take();
        // Whoever waits for the lane holds it; nobody can begin to while the map is locked.
        if lanes.get(&self.name).is_some_and(|lane| Arc::strong_count(lane) == 1) {
            lanes.remove(&self.name);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One source of randomness for all.
#[derive(Clone)]
struct SharedEntropy(Arc<Mutex<Box<dyn Entropy>>>);

impl fmt::Debug for SharedEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedEntropy")
    }
}

impl Entropy for SharedEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        lock(&self.0).fill(bytes);
    }
}
