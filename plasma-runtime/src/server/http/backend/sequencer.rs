//! Gives what is committed its place in the log, and tells everybody.
//!
//! One task a process. It runs after this process's commits (what comes together is done together), and from time to time
//! while somebody waits: another program may have written, and a poke of another process may be lost. So whoever waits
//! hears of a change within [`LOOK`], whatever else fails. Commits in quick succession wait for each other for [`PACE`]:
//! a look costs the database about as much as a small push.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::super::database::ConnectionPool;
use crate::error::{Error, ErrorKind, Result};
use crate::server::ddl::first_int;
use crate::server::poke::Hub;
use crate::server::{ServerEngine, ServerError, ServerErrorKind};
use crate::store::SqlExecutor;
use crate::value::Kind;

/// How often the log is looked at while somebody waits.
const LOOK: Duration = Duration::from_millis(250);
/// From one look to the next, at least.
const PACE: Duration = Duration::from_millis(5);
/// How long one look may take.
const TIME: Duration = Duration::from_secs(30);
/// The rest after a look that failed, and the longest.
const REST: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// What was committed since the last look.
#[derive(Debug, Default)]
pub(super) struct Committed {
    groups: Mutex<Option<BTreeSet<String>>>,
    wake: Notify,
}

impl Committed {
    /// Something of this group was committed; of any, when it has none.
    pub(super) fn note(&self, group: Option<String>) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let known = groups.get_or_insert_default();
        known.insert(group.unwrap_or_default());
        drop(groups);
        self.wake.notify_one();
    }

    fn take(&self) -> Option<BTreeSet<String>> {
        let taken = self.groups.lock().unwrap_or_else(PoisonError::into_inner).take();
        // One that is of no group may concern any.
        taken.map(|groups| if groups.contains("") { BTreeSet::new() } else { groups })
    }

    fn put_back(&self, groups: BTreeSet<String>) {
        let mut now = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let known = now.get_or_insert_default();
        if groups.is_empty() {
            known.insert(String::new());
        }
        known.extend(groups);
    }

    /// Somebody began to wait.
    pub(super) fn look(&self) {
        self.wake.notify_one();
    }
}

const HEAD: &str = "SELECT max(row_version) FROM _plasma_commits";

/// The task, ended with this value.
pub(super) struct Sequencer(JoinHandle<()>);

impl fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sequencer")
    }
}

impl Drop for Sequencer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Sequencer {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that spawns")]
    pub(super) fn start(
        engine: Arc<ServerEngine>,
        pool: Arc<dyn ConnectionPool>,
        hub: Arc<Hub>,
        committed: Arc<Committed>,
    ) -> Self {
        let work = Work { engine, pool, hub, committed, db: None, head: None };
        Sequencer(tokio::spawn(work.run()))
    }
}

struct Work {
    engine: Arc<ServerEngine>,
    pool: Arc<dyn ConnectionPool>,
    hub: Arc<Hub>,
    committed: Arc<Committed>,
    /// A connection of its own: when all of the pool are taken, those that wait are told all the same.
    db: Option<Box<dyn SqlExecutor>>,
    /// The head of the log at the last look.
    head: Option<i64>,
}

impl Work {
    #[expect(clippy::disallowed_methods, reason = "it looks from time to time, and rests after a failure")]
    async fn run(mut self) {
        let mut rest = REST.0;
        let mut failed = false;
        let mut next = Instant::now();
        loop {
            if self.hub.is_heard() {
                // The end of the time is a reason to look as well.
                let _ = timeout(LOOK, self.committed.wake.notified()).await;
            } else {
                self.committed.wake.notified().await;
            }
            sleep_until(next).await;
            next = Instant::now() + PACE;
            let own = self.committed.take();
            let looked = timeout(TIME, self.look()).await;
            match looked.unwrap_or_else(|_| Err(Error::new(ErrorKind::Fault, "the log's order was not given in time")))
            {
                Ok(moved) => {
                    (rest, failed) = (REST.0, false);
                    match own {
                        Some(groups) => self.hub.committed(groups),
                        None if moved => self.hub.heard(BTreeSet::new()),
                        None => {}
                    }
                }
                Err(error) => {
                    self.db = None;
                    if let Some(groups) = own {
                        self.committed.put_back(groups);
                    }
                    // One report an outage.
                    if !std::mem::replace(&mut failed, true) {
                        let report = ServerError::new(ServerErrorKind::Internal, error);
                        self.engine.options().hooks.report(&report);
                    }
                    sleep(rest).await;
                    rest = (rest * 2).min(REST.1);
                    self.committed.wake.notify_one();
                }
            }
        }
    }

    /// Sequences what is not yet, and says whether the log moved since the last look.
    async fn look(&mut self) -> Result<bool> {
        let mut db = match self.db.take() {
            Some(db) => db,
            None => self.pool.get_own().await?,
        };
        self.engine.sequence(&mut *db).await?;
        let head = first_int(&db.query(HEAD, &[], &[Kind::BigInt]).await?);
        self.db = Some(db);
        let before = std::mem::replace(&mut self.head, head);
        // The first look as well: whoever waits may have looked before it.
        Ok(before != head)
    }
}
