//! One transaction of a group.

use std::collections::BTreeMap;

use super::mutator;
use super::one::Step;
use super::work::{Done, Work};
use crate::error::{Error, Result};
use crate::inputs::Entropy;
use crate::protocol::{MutationResult, PushResponse, PushedMutation};
use crate::query::lower::Dialect;
use crate::server::ddl::first_int;
use crate::server::executor::Plans;
use crate::server::hooks::{ServerError, ServerErrorKind};
use crate::server::ledger::unit;
use crate::server::ledger::{self, Entry, Stored};
use crate::server::migrate::{EPOCH, READ_EPOCH};
use crate::server::{JOBS, PushJob, Refusal, ServerEngine};
use crate::store::{SqlExecutor, SqlStep};
use crate::value::{Kind, Value};

/// After this long without a push that advances its ledger, a client's sign of life is noted anyway, ms.
const TOUCH_AFTER_MS: i64 = 86_400_000;

/// The transaction is lost: nothing of the group is committed, nobody may be acknowledged.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) error: Error,
    /// The mutation that was running; at the commit the only one, if there was just one.
    pub(super) at: Option<u64>,
    /// Only because a mutation had no savepoint.
    pub(super) unsaved: bool,
    /// All had run: what failed is the commit.
    pub(super) at_commit: bool,
}

impl Lost {
    /// A mutation failed and has to be undone, and there is no savepoint.
    pub(super) fn unsaved(error: Error) -> Self {
        Lost { unsaved: true, ..Lost::from(error) }
    }
}

impl From<Error> for Lost {
    fn from(error: Error) -> Self {
        Lost { error, at: None, unsaved: false, at_commit: false }
    }
}

/// What a transaction is to do besides its work.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Terms<'t> {
    /// Mutations that are not run but rejected with this error.
    pub(super) verdicts: &'t [(u64, Error)],
    /// The push ends before this mutation.
    pub(super) stop_before: Option<u64>,
    /// What this push has committed already, in earlier transactions.
    pub(super) committed: &'t [MutationResult],
    /// Looks up on Postgres whether keys were issued before. That is rare, and found without it when the outcome is
    /// stored: so only a transaction that is run again does.
    pub(super) look_up: bool,
    /// One mutation and no more (where a push may have several transactions).
    pub(super) alone: bool,
}

/// A transaction that was committed.
#[derive(Debug)]
pub(super) struct Committed {
    /// How each piece of the work ended.
    pub(super) done: Vec<Done>,
    /// The push has more mutations than one transaction may have.
    pub(super) more: bool,
}

/// One transaction under way.
pub(super) struct Group<'g> {
    pub(super) engine: &'g ServerEngine,
    pub(super) db: &'g mut dyn SqlExecutor,
    pub(super) entropy: &'g mut dyn Entropy,
    pub(super) now: i64,
    /// The last position of the change log.
    pub(super) head: i64,
    pub(super) terms: Terms<'g>,
    /// Each mutation runs inside a savepoint.
    pub(super) savepoints: bool,
    /// Which keys were issued before, where that is read before the transaction begins.
    known: Option<BTreeMap<String, Stored>>,
    /// The client's entry, where it was read with the transaction's begin.
    entry: Option<Option<Entry>>,
    /// The next mutation's unit has begun with the transaction.
    pub(super) unit_begun: bool,
    /// The last statement, sent with the commit.
    last: Option<(&'static str, [Value; 5])>,
    more: bool,
    /// Told after the commit: a lost transaction did not happen.
    reports: Vec<ServerError>,
    pub(super) finished: Vec<(String, u64)>,
    pub(super) faulty: Vec<(String, u64)>,
}

impl<'g> Group<'g> {
    /// Runs `work` in one transaction and commits it.
    pub(super) async fn run(
        engine: &'g ServerEngine,
        db: &mut dyn SqlExecutor,
        now: i64,
        entropy: &mut dyn Entropy,
        work: &[Work<'_>],
        more: &mut (dyn FnMut() -> bool + Send),
        terms: Terms<'g>,
    ) -> Result<Committed, Lost> {
        let mut savepoints = engine.caution.begin();
        loop {
            let mut group = Group {
                engine,
                db: &mut *db,
                entropy: &mut *entropy,
                now,
                head: 0,
                terms,
                savepoints,
                known: None,
                entry: None,
                unit_begun: false,
                last: None,
                more: false,
                reports: Vec::new(),
                finished: Vec::new(),
                faulty: Vec::new(),
            };
            match group.transaction(work, more).await {
                Ok(done) => return Ok(group.committed(done)),
                Err(lost) => {
                    group.roll_back().await;
                    if !lost.unsaved || savepoints {
                        return Err(lost);
                    }
                    engine.caution.lacked_one();
                    savepoints = true;
                }
            }
        }
    }

    /// Tells what is told only of a transaction that happened.
    fn committed(self, done: Vec<Done>) -> Committed {
        self.engine.faults().committed(self.finished.iter());
        for (client, id) in &self.faulty {
            self.engine.faults().note(client, *id);
        }
        for report in &self.reports {
            self.engine.options().hooks.report(report);
        }
        Committed { done, more: self.more }
    }

    async fn roll_back(&mut self) {
        if self.db.in_transaction()
            && let Err(error) = self.db.batch("ROLLBACK").await
        {
            // The next BEGIN fails for the same reason, and says so.
            self.engine.options().hooks.report(&ServerError::new(ServerErrorKind::Internal, error));
        }
    }

    async fn transaction(
        &mut self,
        work: &[Work<'_>],
        more: &mut (dyn FnMut() -> bool + Send),
    ) -> Result<Vec<Done>, Lost> {
        match (self.db.dialect(), work.first()) {
            (Dialect::Postgres, Some(first)) => self.open(first).await?,
            (dialect, _) => {
                self.db.batch(self.engine.options().concurrency.begin(dialect)).await?;
                self.engine.still_fits(self.db).await?;
                self.head = unit::head(self.db).await?;
            }
        }
        let mut done = Vec::with_capacity(work.len());
        for (index, one) in work.iter().enumerate() {
            if index > 0 && !more() {
                break;
            }
            done.push(match one {
                Work::Push(job) => Done::Push(self.push(job).await?),
                Work::Task(task) => Done::Task(self.task(task).await?),
            });
        }
        unit::clear(self.db).await?;
        // Constraints are immediate, but for those an operator has deferred: a commit fails for the machine's reasons, or
        // because of what else was committed.
        let last = self.last.as_ref().map(|(sql, params)| SqlStep::Execute(sql, params));
        let steps: Vec<SqlStep<'_>> = last.into_iter().chain([SqlStep::Batch("COMMIT")]).collect();
        let Err(error) = self.db.run_all(&steps).await else { return Ok(done) };
        let at = match self.finished.as_slice() {
            [(_, id)] if self.db.dialect() == Dialect::Postgres => Some(*id),
            _ => None,
        };
        Err(Lost { at, at_commit: true, ..Lost::from(error) })
    }

    /// Begins a transaction on Postgres: one journey for all that is known of it before.
    async fn open(&mut self, work: &Work<'_>) -> Result<(), Lost> {
        self.known = Some(if self.terms.look_up { self.known_before(work).await? } else { BTreeMap::new() });
        let begin = self.engine.options().concurrency.begin(Dialect::Postgres);
        let epoch = [Value::from(EPOCH)];
        let mut steps = vec![SqlStep::Batch(begin), SqlStep::Query(READ_EPOCH, &epoch, &[Kind::BigInt])];
        let client = match work {
            Work::Push(job) => [Value::from(job.request.client_id.as_str())],
            Work::Task(_) => [Value::Null],
        };
        if let Work::Push(_) = work {
            steps.push(SqlStep::Query(ledger::LOCK, &client, ledger::ENTRY));
            steps.push(SqlStep::Query(unit::BEGIN_POSTGRES, &[], &[Kind::BigInt]));
        }
        let mut rows = self.db.run_all(&steps).await?.into_iter().skip(1);
        let epoch = rows.next().and_then(|rows| first_int(&rows)).unwrap_or(0);
        self.engine.fits_at(self.db, epoch).await?;
        self.entry = rows.next().map(ledger::read);
        self.unit_begun = self.entry.is_some();
        Ok(())
    }

    /// Which keys were issued before. Looked up outside of the transaction: inside of one that is serializable, it would
    /// be a read of keys that others are just writing, and put every two pushes in each other's way. A key that is
    /// committed in between is found by the index on it ([`unit::finish`] fails, and the transaction runs again).
    async fn known_before(&mut self, work: &Work<'_>) -> Result<BTreeMap<String, Stored>, Lost> {
        Ok(match work {
            Work::Push(job) => {
                let last = self.terms.committed.last().map_or(0, |result| result.id);
                let left = job.request.mutations.iter().filter(|mutation| mutation.id > last);
                let keys: Vec<&str> = left.map(|mutation| mutation.key.as_str()).collect();
                ledger::outcomes_by_key(self.db, &job.caller.group, &keys).await?
            }
            Work::Task(task) => match task.key.map(|key| key.to_string()) {
                Some(key) => ledger::outcomes_by_key(self.db, JOBS, &[&key]).await?,
                None => BTreeMap::new(),
            },
        })
    }

    /// Which of these keys were issued before.
    pub(super) async fn known(&mut self, group: &str, keys: &[&str]) -> Result<BTreeMap<String, Stored>, Lost> {
        match self.known.take() {
            Some(known) => Ok(known),
            None => Ok(ledger::outcomes_by_key(self.db, group, keys).await?),
        }
    }

    /// One push: an answer or a refusal, both to be committed with the group.
    async fn push(&mut self, job: &PushJob) -> Result<Result<PushResponse, Refusal>, Lost> {
        let request = &job.request;
        let (group, client) = (job.caller.group.as_str(), request.client_id.as_str());
        if request.client_group_id != group {
            return Ok(Err(Refusal::client_group_mismatch()));
        }
        let entry = match self.entry.take() {
            Some(found) => ledger::lock_found(self.db, found, client, group, self.now).await?,
            None => ledger::lock(self.db, client, group, self.now).await?,
        };
        if entry.as_ref().is_some_and(|entry| entry.group != group) {
            return Ok(Err(Refusal::client_id_taken()));
        }
        if entry.as_ref().is_some_and(|entry| entry.expired) {
            return Ok(Err(Refusal::client_expired()));
        }
        let before = entry.as_ref().map_or(0, |entry| entry.last);
        let mut results = self.terms.committed.to_vec();
        let committed = results.last().map_or(0, |result| result.id);
        let mut mutations: Vec<&PushedMutation> = request.mutations.iter().filter(|m| m.id > committed).collect();
        mutations.sort_by_key(|mutation| mutation.id);
        // The whole push first: a store that was copied must not have a part of its queue run.
        let first = results.len();
        for mutation in mutations.iter().take_while(|mutation| mutation.id <= before) {
            match ledger::outcome(self.db, client, mutation.id).await? {
                Some(stored) if stored.key == mutation.key => results.push(stored.duplicate(mutation.id)),
                _ => return Ok(Err(Refusal::client_forked())),
            }
        }
        if let Some(entry) = entry.as_ref().filter(|_| first == 0) {
            let settled = request.settled.unwrap_or_default().min(before);
            if settled > entry.settled {
                ledger::settle(self.db, client, entry.settled, settled).await?;
            }
        }
        let left = mutations.split_off(results.len() - first);
        let keys: Vec<&str> = left.iter().map(|mutation| mutation.key.as_str()).collect();
        let mut known = self.known(group, &keys).await?;
        let most = match self.db.dialect() {
            Dialect::Sqlite => usize::MAX,
            Dialect::Postgres if self.terms.alone => 1,
            Dialect::Postgres => self.engine.options().concurrency.mutations.max(1),
        };
        let mut plans = Plans::default();
        let (mut last, mut version) = (before, 0);
        let mut refusal = None;
        for (index, mutation) in left.into_iter().enumerate() {
            // One that met a fault begins a transaction: it does not take with it what comes before.
            let apart = most < usize::MAX && index > 0 && self.engine.faults().is_suspect(client, mutation.id);
            if index == most || apart {
                self.more = true;
                break;
            }
            if self.terms.stop_before == Some(mutation.id) {
                refusal = Some(Refusal::unavailable());
                break;
            }
            if mutation.id != last + 1 {
                refusal = Some(Refusal::mutation_gap(last, &results));
                break;
            }
            let step = self.mutation(job, mutation, &mut known, &mut plans).await;
            match step.map_err(|lost| Lost { at: Some(lost.at.unwrap_or(mutation.id)), ..lost })? {
                Step::Done(result, position) => {
                    results.push(result);
                    (last, version) = (mutation.id, position);
                }
                Step::Fault => {
                    refusal = Some(Refusal::unavailable());
                    break;
                }
            }
        }
        if last > before {
            match self.db.dialect() {
                // Another push of this group may be the client's, too.
                Dialect::Sqlite => ledger::advance(self.db, client, group, last, version, self.now).await?,
                dialect => self.last = Some(ledger::advance_by(dialect, client, group, last, version, self.now)),
            }
        } else if let Some(entry) = entry {
            if self.now - entry.seen_at > TOUCH_AFTER_MS {
                ledger::touch(self.db, client, self.now).await?;
            }
        } else {
            ledger::unbind(self.db, client).await?;
        }
        Ok(match refusal {
            None => Ok(PushResponse { ok: true, last_mutation_id: last, results }),
            Some(refusal) => Err(refusal),
        })
    }

    pub(super) fn report(&mut self, job: &PushJob, mutation: &PushedMutation, error: Error) {
        self.reports.push(ServerError {
            kind: ServerErrorKind::MutationError,
            error,
            group: Some(job.caller.group.clone()),
            client_id: Some(job.request.client_id.clone()),
            mutation: Some((mutation.id, mutator::wire_name(mutation))),
        });
    }
}
