//! The writer: one thread that owns the connection everything is written on.
//!
//! It takes what is queued, one push of each client in turn, and folds it into one durable commit; it never waits for
//! more. Everybody is answered after the commit, then one poke goes out.

mod queue;
mod upkeep;

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use self::queue::{Job, Queue, Visit};
use self::upkeep::{Asked, Rounds};
use tokio::sync::{oneshot, watch};

use super::hooks::{ServerError, ServerErrorKind};
use super::poke::{Hub, Poke};
use super::push::{AtOnce, Work};
use super::{CompactionOptions, CompactionResult, PushJob, Refusal, ServerEngine, Task};
use crate::error::{Error, ErrorKind, Result};
use crate::future::poll_once;
use crate::inputs::Entropy;
use crate::protocol::PushResponse;
use crate::store::SqlExecutor;
use crate::value::Kind;

/// After this much work a group takes no more pushes.
const GROUP_TIME: Duration = Duration::from_millis(10);
/// How often an idle writer looks whether another program has written, while somebody listens.
const FOREIGN_WRITES: Duration = Duration::from_millis(250);

/// The clock the writer reads: milliseconds since 1970.
pub type ClockFn = Arc<dyn Fn() -> i64 + Send + Sync>;

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    capacity: usize,
    hub: Arc<Hub>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer thread. Dropping it lets the thread finish what is queued, and waits for that.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("queued", &self.shared.queue().jobs).finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the thread. `capacity` is how many pushes may wait; more are refused with 503 `overloaded`.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when the operating system gives no thread.
    pub fn start(
        engine: Arc<ServerEngine>,
        db: Box<dyn SqlExecutor>,
        clock: ClockFn,
        entropy: Box<dyn Entropy>,
        capacity: usize,
    ) -> Result<Self> {
        Self::with_hub(engine, db, clock, entropy, capacity, Arc::default())
    }

    /// [`start`](Self::start), telling this hub of the commits.
    pub(super) fn with_hub(
        engine: Arc<ServerEngine>,
        db: Box<dyn SqlExecutor>,
        clock: ClockFn,
        entropy: Box<dyn Entropy>,
        capacity: usize,
        hub: Arc<Hub>,
    ) -> Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::new(Queue::default()), wake: Condvar::new(), capacity, hub });
        let state = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("plasma-writer".to_owned())
            .spawn(move || {
                Loop { engine, db, clock, entropy, shared: state, seen: None, rounds: Rounds::new(), grouped: false }
                    .run()
            })
            .map_err(|e| Error::new(ErrorKind::Storage, "the writer thread cannot be started").with_source(e))?;
        Ok(Writer { shared, thread: Some(thread) })
    }

    /// The pokes: the newest is kept, older ones are forgotten.
    pub fn pokes(&self) -> watch::Receiver<Poke> {
        let receiver = self.shared.hub.subscribe();
        // An idle writer looks for foreign writes only while somebody listens.
        self.shared.wake.notify_one();
        receiver
    }

    /// Runs a push. The answer comes after the commit.
    ///
    /// # Errors
    /// 503 when the queue is full or the writer is closed; else those of the push.
    pub async fn push(&self, job: PushJob) -> Result<PushResponse, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job::Push(job, reply))?;
        answer.await.unwrap_or_else(|_| Err(Refusal::unavailable()))
    }

    /// Runs a task of the server.
    ///
    /// # Errors
    /// [`Fault`](ErrorKind::Fault) when the queue is full, [`Closed`](ErrorKind::Closed) when the writer is; else what
    /// the task failed with.
    pub async fn task(&self, task: Task) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job::Task(task, reply)).map_err(|refusal| match refusal.error.error.as_str() {
            "overloaded" => Error::new(ErrorKind::Fault, "the server has too much to do"),
            _ => Error::new(ErrorKind::Closed, "the server is closed"),
        })?;
        answer.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Fault, "the task was not run")))
    }

    /// Runs `visit` on the writer's connection, between two commits.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) when the writer is closed or `visit` panicked.
    pub async fn visit<T: Send + 'static>(
        &self,
        visit: impl FnOnce(&mut dyn SqlExecutor) -> T + Send + 'static,
    ) -> Result<T> {
        let closed = || Error::new(ErrorKind::Closed, "the server is closed");
        let (reply, answer) = oneshot::channel();
        {
            let mut queue = self.shared.queue();
            if queue.closed {
                return Err(closed());
            }
            // Whoever asked may be gone.
            queue.visits.push_back(Box::new(move |db| drop(reply.send(visit(db)))));
        }
        self.shared.wake.notify_one();
        answer.await.map_err(|_| closed())
    }

    /// Compacts the change log, in small steps between the commits of others.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) when the writer is closed or closes before the end, [`Storage`](ErrorKind::Storage)
    /// when the database fails. What was done stays done.
    pub async fn compact(&self, options: CompactionOptions) -> Result<CompactionResult> {
        let closed = || Error::new(ErrorKind::Closed, "the server is closed");
        let (reply, answer) = oneshot::channel();
        {
            let mut queue = self.shared.queue();
            if queue.closed {
                return Err(closed());
            }
            queue.compactions.push_back(Asked { options, reply });
        }
        self.shared.wake.notify_one();
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    fn enqueue(&self, job: Job) -> Result<(), Refusal> {
        {
            let mut queue = self.shared.queue();
            if queue.closed {
                return Err(Refusal::unavailable());
            }
            if queue.jobs >= self.shared.capacity {
                return Err(Refusal::overloaded());
            }
            queue.add(job);
        }
        self.shared.wake.notify_one();
        Ok(())
    }

    /// Takes nothing more; what is queued is still done.
    pub fn close(&self) {
        self.shared.queue().closed = true;
        self.shared.wake.notify_all();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // The thread catches panics of the work; one of its own is reported by the runtime.
            let _ = thread.join();
        }
    }
}

/// What the thread owns.
struct Loop {
    engine: Arc<ServerEngine>,
    db: Box<dyn SqlExecutor>,
    clock: ClockFn,
    entropy: Box<dyn Entropy>,
    shared: Arc<Shared>,
    /// The last `data_version`: another one tells of a foreign write.
    seen: Option<i64>,
    rounds: Rounds,
    /// A group has run since the last step of upkeep.
    grouped: bool,
}

/// What a turn of the loop does.
enum Turn {
    Visit(Visit),
    Group(Vec<Job>),
    Upkeep,
    Idle,
    End,
}

impl Loop {
    fn run(mut self) {
        // What other programs write from now on is noticed, also before somebody waits.
        self.look_for_foreign_writes();
        loop {
            match self.next() {
                Turn::Visit(visit) => {
                    let db = &mut *self.db;
                    if catch_unwind(AssertUnwindSafe(|| visit(db))).is_err() {
                        self.after_panic();
                    }
                }
                Turn::Group(jobs) => {
                    self.group(jobs);
                }
                Turn::Upkeep => self.upkeep(),
                Turn::Idle => self.look_for_foreign_writes(),
                Turn::End => return,
            }
        }
    }

    fn next(&mut self) -> Turn {
        let shared = Arc::clone(&self.shared);
        let mut queue = shared.queue();
        loop {
            if let Some(visit) = queue.visits.pop_front() {
                return Turn::Visit(visit);
            }
            if self.rounds.is_free()
                && let Some(asked) = queue.compactions.pop_front()
            {
                self.rounds.ask(asked);
            }
            // A step between two groups, and as many as there are while nobody waits.
            let rested = queue.jobs == 0 || std::mem::take(&mut self.grouped);
            if !queue.closed && rested && self.rounds.wants((self.clock)(), queue.jobs > 0) {
                return Turn::Upkeep;
            }
            if queue.jobs > 0 {
                self.grouped = true;
                return Turn::Group(queue.take(self.engine.options().group_mutations));
            }
            if queue.closed {
                return Turn::End;
            }
            if !shared.hub.is_heard() {
                queue = shared.wake.wait_timeout(queue, Rounds::SLEEP).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let waited = shared.wake.wait_timeout(queue, FOREIGN_WRITES);
            let (next, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = next;
            if timeout.timed_out() && queue.jobs == 0 && queue.visits.is_empty() {
                return Turn::Idle;
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the writer bounds the time of a group")]
    fn group(&mut self, mut jobs: Vec<Job>) {
        let started = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| {
            let work: Vec<Work<'_>> = jobs.iter().map(Job::work).collect();
            let mut more = || started.elapsed() < GROUP_TIME;
            let now = (self.clock)();
            let retry = &mut AtOnce(1);
            let group = self.engine.run_group(&mut *self.db, now, &mut *self.entropy, &work, &mut more, retry);
            poll_once(Box::pin(group))
        }));
        let done = match done {
            Ok(Some(done)) => done,
            Ok(None) => {
                self.report("the database's futures are not ready at once: the writer needs a blocking connection");
                self.after_panic();
                return;
            }
            // Dropping the jobs tells everybody that nothing is known to be committed.
            Err(_) => return self.after_panic(),
        };
        let left = jobs.split_off(done.len().min(jobs.len()));
        if !left.is_empty() {
            self.shared.queue().put_back(left);
        }
        let mut groups = BTreeSet::new();
        let mut wrote = false;
        for (job, done) in jobs.iter().zip(&done) {
            if done.advances() {
                wrote = true;
                if let Job::Push(job, _) = job {
                    groups.insert(job.caller.group.clone());
                }
            }
        }
        for (job, done) in jobs.into_iter().zip(done) {
            job.answer(done);
        }
        if wrote {
            self.shared.hub.committed(groups);
        }
    }

    /// A panic of the engine's own: the connection must not stay inside a transaction.
    fn after_panic(&mut self) {
        self.report("the writer's work panicked");
        if self.db.in_transaction() && !matches!(poll_once(self.db.batch("ROLLBACK")), Some(Ok(()))) {
            self.report("the transaction of the work that panicked cannot be rolled back");
        }
    }

    fn upkeep(&mut self) {
        let now = (self.clock)();
        let (engine, db, rounds) = (&self.engine, &mut *self.db, &mut self.rounds);
        if catch_unwind(AssertUnwindSafe(|| rounds.step(engine, db, now))).is_err() {
            self.rounds = Rounds::after_panic(now);
            self.after_panic();
        }
    }

    fn look_for_foreign_writes(&mut self) {
        // A database without this figure has no foreign writers to look for.
        let Some(Ok(rows)) = poll_once(self.db.query("PRAGMA data_version", &[], &[Kind::BigInt])) else { return };
        let version = super::ddl::first_int(&rows);
        if self.seen.is_some() && self.seen != version {
            self.shared.hub.heard(BTreeSet::new());
        }
        self.seen = version;
    }

    fn report(&self, message: &'static str) {
        let error = ServerError::new(ServerErrorKind::Internal, Error::internal(message));
        self.engine.options().hooks.report(&error);
    }
}
