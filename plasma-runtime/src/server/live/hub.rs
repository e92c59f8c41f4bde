//! The one task that follows the change log for all live queries of a server.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::changes::{self, Changed, Place};
use crate::error::{Error, ErrorKind, Result};
use crate::live::{Maintained, RawRows, Statement, Stepped};
use crate::query::ir;
use crate::server::ServerEngine;
use crate::server::http::Inner;
use crate::store::SqlExecutor;

/// How often the log is looked at when no poke comes: pokes may be lost, and writes of other programs bring none on some
/// databases.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The live queries of a server.
#[derive(Default)]
pub(in crate::server) struct Hub {
    state: Mutex<State>,
    /// Wakes the task: somebody came or went.
    wake: Notify,
}

#[derive(Default)]
struct State {
    nodes: Vec<Arc<Node>>,
    waiting: Vec<Waiting>,
    /// The task is there.
    running: bool,
}

/// A query that waits for its first run.
struct Waiting {
    query: ir::Query,
    answer: oneshot::Sender<First>,
}

/// The first result of a query, and where the next ones will be.
pub(super) type First = Result<(Arc<Node>, Arc<RawRows>, u64), Arc<Error>>;

/// A query that is kept up to date for everybody who asks it.
pub(super) struct Node {
    query: ir::Query,
    tables: Vec<&'static str>,
    /// What keeps the result. None while a step is at it, and after one that was broken off: then it begins anew.
    maintained: Mutex<Option<Maintained>>,
    latest: Mutex<Latest>,
    #[cfg(test)]
    pub(super) runs: std::sync::atomic::AtomicUsize,
}

/// What a query last gave.
#[derive(Default)]
pub(super) struct Latest {
    /// One more whenever `result` is another one.
    pub(super) turn: u64,
    /// The last result, or why there is none.
    pub(super) result: Option<Result<Arc<RawRows>, Arc<Error>>>,
    /// No more results will come.
    pub(super) closed: bool,
    wakers: Vec<Waker>,
}

impl Latest {
    pub(super) fn wait(&mut self, waker: &Waker) {
        if !self.wakers.iter().any(|known| known.will_wake(waker)) {
            self.wakers.push(waker.clone());
        }
    }
}

impl Node {
    fn new(query: ir::Query) -> Self {
        Node {
            tables: query.tables().iter().map(|table| table.name).collect(),
            query,
            maintained: Mutex::default(),
            latest: Mutex::default(),
            #[cfg(test)]
            runs: Default::default(),
        }
    }

    pub(super) fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn maintained(&self) -> MutexGuard<'_, Option<Maintained>> {
        self.maintained.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> bool {
        !matches!(self.latest().result, Some(Ok(_)))
    }

    /// Takes a result. An equal one is no news.
    fn publish(&self, result: Result<Arc<RawRows>, Arc<Error>>) {
        let mut latest = self.latest();
        match (&latest.result, &result) {
            (Some(Ok(before)), Ok(rows)) if rows.edit_from(before).is_empty() => return,
            // Told once: it is tried again every second.
            (Some(Err(_)), Err(_)) => return,
            _ => {}
        }
        latest.result = Some(result);
        latest.turn += 1;
        let wakers = std::mem::take(&mut latest.wakers);
        drop(latest);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn close(&self) {
        let mut latest = self.latest();
        latest.closed = true;
        let wakers = std::mem::take(&mut latest.wakers);
        drop(latest);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Hub").field("queries", &state.nodes.len()).field("running", &state.running).finish()
    }
}

/// Runs the query for the first time and keeps it up to date from then on.
///
/// # Errors
/// Why it cannot be run; [`Closed`](ErrorKind::Closed) when the server is.
pub(super) async fn open(inner: &Arc<Inner>, query: ir::Query) -> First {
    let (answer, first) = oneshot::channel();
    let start = {
        let mut state = inner.live.state();
        state.waiting.push(Waiting { query, answer });
        !std::mem::replace(&mut state.running, true)
    };
    if start {
        spawn(follow(Arc::downgrade(inner), Arc::clone(&inner.live)));
    }
    inner.live.wake.notify_one();
    first.await.unwrap_or_else(|_| Err(Arc::new(Error::new(ErrorKind::Closed, "the server is closed"))))
}

#[expect(clippy::disallowed_methods, reason = "this is the adapter that spawns")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// The task. It ends with the last query, or with the server.
#[expect(clippy::disallowed_methods, reason = "between two looks it waits")]
async fn follow(inner: Weak<Inner>, hub: Arc<Hub>) {
    let mut end = Closing { hub: &hub, armed: true };
    let mut place = None;
    let mut pokes = match inner.upgrade() {
        Some(inner) => inner.backend.pokes(),
        None => return,
    };
    loop {
        let Some(server) = inner.upgrade() else { return };
        let Some(waiting) = hub.turn() else {
            // Another task may be there already.
            end.armed = false;
            return;
        };
        // Before the look: a commit between the look and the wait must not be missed.
        pokes.borrow_and_update();
        hub.step(&server, &mut place, waiting).await;
        drop(server);
        tokio::select! {
            changed = pokes.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = hub.wake.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Ends every live query, however the task ends.
struct Closing<'h> {
    hub: &'h Hub,
    armed: bool,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let mut state = self.hub.state();
        let nodes = std::mem::take(&mut state.nodes);
        state.waiting.clear();
        state.running = false;
        drop(state);
        nodes.iter().for_each(|node| node.close());
    }
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody is gone.
    pub(super) fn left(&self) {
        self.wake.notify_one();
    }

    /// Forgets the queries nobody follows and takes those that wait. None, and the task is over, when there are neither.
    fn turn(&self) -> Option<Vec<Waiting>> {
        let mut state = self.state();
        state.nodes.retain(|node| Arc::strong_count(node) > 1);
        state.waiting.retain(|waiting| !waiting.answer.is_closed());
        if state.nodes.is_empty() && state.waiting.is_empty() {
            state.running = false;
            return None;
        }
        Some(std::mem::take(&mut state.waiting))
    }

    /// One look at the log, and the queries it concerns run again, as of one moment.
    async fn step(&self, inner: &Inner, place: &mut Option<Place>, waiting: Vec<Waiting>) {
        let known = self.state().nodes.clone();
        let (asked, answers): (Vec<_>, Vec<_>) = waiting.into_iter().map(|w| (w.query, w.answer)).unzip();
        let before = place.clone();
        let engine = Arc::clone(&inner.engine);
        let read = inner.backend.read(move |db| {
            Box::pin(async move {
                let nodes = with_new(known, asked);
                let looked = look(&engine, db, before.as_ref(), &nodes.0).await?;
                Ok((nodes, looked))
            })
        });
        match read.await.and_then(|looked| looked) {
            Ok(((nodes, asked), Look { place: now, results })) => {
                *place = Some(now);
                for (node, result) in nodes.iter().zip(results) {
                    if let Some(result) = result {
                        node.publish(result);
                    }
                }
                for (at, answer) in asked.into_iter().zip(answers) {
                    let node = &nodes[at];
                    let latest = node.latest();
                    let first = match &latest.result {
                        Some(Ok(rows)) => Ok((Arc::clone(node), Arc::clone(rows), latest.turn)),
                        Some(Err(error)) => Err(Arc::clone(error)),
                        None => Err(Arc::new(Error::internal("a live query was not run"))),
                    };
                    drop(latest);
                    // Whoever asked may be gone.
                    let _gone = answer.send(first);
                }
                // Whoever was not answered, or has dropped it since, is swept in the next turn.
                self.state().nodes = nodes;
            }
            Err(error) => {
                // The database cannot be read: nothing is known of what happened, so the place stays.
                let error = Arc::new(error);
                let nodes = self.state().nodes.clone();
                nodes.iter().for_each(|node| node.publish(Err(Arc::clone(&error))));
                for answer in answers {
                    let _gone = answer.send(Err(Arc::clone(&error)));
                }
            }
        }
    }

    /// How many distinct queries are kept up to date, and whether the task is there.
    #[cfg(test)]
    pub(super) fn figures(&self) -> (usize, bool) {
        let state = self.state();
        (state.nodes.len(), state.running)
    }
}

/// The nodes, with one for each query that is not among them; and the node of each query that was asked.
fn with_new(mut nodes: Vec<Arc<Node>>, asked: Vec<ir::Query>) -> (Vec<Arc<Node>>, Vec<usize>) {
    let mut places = Vec::with_capacity(asked.len());
    for query in asked {
        let known = nodes.iter().position(|node| node.query == query);
        places.push(known.unwrap_or_else(|| {
            nodes.push(Arc::new(Node::new(query)));
            nodes.len() - 1
        }));
    }
    (nodes, places)
}

/// What a step saw.
struct Look {
    place: Place,
    /// A result for each node that was run.
    results: Vec<Option<Result<Arc<RawRows>, Arc<Error>>>>,
}

/// Looks at the log and runs what it concerns, in one read transaction.
///
/// A query that fails ends the transaction on some databases, and what was read after it would be of another moment: the
/// others are run once more, without it.
async fn look(
    engine: &ServerEngine,
    db: &mut dyn SqlExecutor,
    before: Option<&Place>,
    nodes: &[Arc<Node>],
) -> Result<Look> {
    let mut failed: Vec<(usize, Arc<Error>)> = Vec::new();
    loop {
        engine.begin_reading(db).await?;
        let ran = match engine.still_fits(db).await {
            Ok(()) => run(engine, db, before, nodes, &failed).await,
            Err(error) => Err(error),
        };
        let end = db.execute(if matches!(ran, Ok(Ok(_))) { "COMMIT" } else { "ROLLBACK" }, &[]).await;
        match ran? {
            Ok(mut look) => {
                end?;
                for (at, error) in failed {
                    look.results[at] = Some(Err(error));
                }
                return Ok(look);
            }
            Err(failure) => {
                end?;
                failed.push(failure);
            }
        }
    }
}

async fn run(
    engine: &ServerEngine,
    db: &mut dyn SqlExecutor,
    before: Option<&Place>,
    nodes: &[Arc<Node>],
    failed: &[(usize, Arc<Error>)],
) -> Result<Result<Look, (usize, Arc<Error>)>> {
    let (changed, place) = changes::since(db, engine.schema(), before).await?;
    let failed: BTreeSet<usize> = failed.iter().map(|(at, _)| *at).collect();
    let mut results = Vec::with_capacity(nodes.len());
    // Put back when all went well: what has taken a step that others did not take begins anew.
    let mut stepped = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let due = matches!(changed, Changed::All) || node.failed() || changed.concerns(&node.tables);
        if failed.contains(&at) {
            *node.maintained() = None;
        }
        if !due || failed.contains(&at) {
            results.push(None);
            continue;
        }
        #[cfg(test)]
        node.runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let known = node.maintained().take();
        match advance(db, known, node, &changed).await {
            Ok((maintained, news)) => {
                stepped.push((at, maintained));
                results.push(news.map(|rows| Ok(Arc::new(rows))));
            }
            Err(error) => return Ok(Err((at, Arc::new(error)))),
        }
    }
    for (at, maintained) in stepped {
        *nodes[at].maintained() = Some(maintained);
    }
    Ok(Ok(Look { place, results }))
}

/// One query takes a step: from the rows that changed, or anew. None is no news.
async fn advance(
    db: &mut dyn SqlExecutor,
    known: Option<Maintained>,
    node: &Node,
    changed: &Changed,
) -> Result<(Maintained, Option<RawRows>)> {
    let rows = changed.rows_of(&node.tables).filter(|_| !node.failed());
    if let (Some(mut maintained), Some(rows)) = (known, rows) {
        let mut stepped = maintained.step(&rows);
        if matches!(stepped, Stepped::Read) && maintained.is_waiting() {
            stepped = Stepped::Delta(maintained.read(db).await?);
        }
        if let Stepped::Delta(delta) = stepped {
            let news = if delta.is_empty() { None } else { maintained.result() };
            return Ok((maintained, news));
        }
    }
    let mut maintained = Maintained::new(Statement::new(db.dialect(), node.query.clone()));
    maintained.run(db).await?;
    let news = maintained.result();
    Ok((maintained, news))
}
