//! One transaction of a group.

use std::collections::BTreeMap;

use super::ahead::{Ahead, InFlight};
use super::close::{Advance, Units};
use super::isolation::{Circumstance, circumstance};
use super::mutator;
use super::one::Step;
use super::work::{Done, Work};
use crate::error::{Error, Result};
use crate::inputs::Entropy;
use crate::protocol::{MutationResult, PushResponse, PushedMutation};
use crate::query::lower::Dialect;
use crate::server::executor::Plans;
use crate::server::hooks::{ServerError, ServerErrorKind};
use crate::server::ledger::unit::{self, Ended};
use crate::server::ledger::{self, Entry, Stored};
use crate::server::{JOBS, PushJob, Refusal, ServerEngine};
use crate::store::SqlExecutor;

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
    /// No other push runs at the same time, on whatever server.
    pub(super) in_turn: bool,
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
    pub(super) db: Ahead<'g>,
    pub(super) entropy: &'g mut dyn Entropy,
    pub(super) now: i64,
    /// The last position of the change log.
    pub(super) head: i64,
    pub(super) terms: Terms<'g>,
    /// Each mutation runs inside a savepoint.
    pub(super) savepoints: bool,
    /// Which keys were issued before, where that is read before the transaction begins.
    pub(super) known: Option<BTreeMap<String, Stored>>,
    /// The client's entry, where it was read with the transaction's begin.
    pub(super) entry: Option<Option<Entry>>,
    /// On Postgres: the units drawn for the mutations of a push.
    pub(super) units: Units,
    /// On Postgres: what is stored with the commit.
    pub(super) ended: Vec<Ended>,
    /// On Postgres: how the client's entry advances with the commit.
    pub(super) advance: Option<Advance>,
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
        let client = match work.first() {
            Some(Work::Push(job)) => job.request.client_id.as_str(),
            _ => JOBS,
        };
        let mut eager = engine.faults().is_in_doubt(client);
        loop {
            let mut group = Group {
                engine,
                db: Ahead::new(&mut *db, eager),
                entropy: &mut *entropy,
                now,
                head: 0,
                terms,
                savepoints,
                known: None,
                entry: None,
                units: Units::default(),
                ended: Vec::new(),
                advance: None,
                more: false,
                reports: Vec::new(),
                finished: Vec::new(),
                faulty: Vec::new(),
            };
            match group.transaction(work, more).await {
                Ok(done) => return Ok(group.committed(done)),
                Err(lost) => {
                    let in_flight = group.db.lost();
                    group.roll_back().await;
                    if let Some(InFlight { only }) = in_flight {
                        match circumstance(&lost.error) {
                            Some(Circumstance::Race) => return Err(Lost { at: only, ..lost }),
                            Some(Circumstance::Held | Circumstance::Full) => {}
                            // The statement's own fault, or nobody knows. If it was committed all the same, the ledger says so.
                            None => {}
                            Some(Circumstance::Ended | Circumstance::Cut) => {
                                // Which of them it was shows when each is waited for.
                                if only.is_none() {
                                    engine.faults().doubt(client);
                                }
                                return Err(Lost { at: only, ..lost });
                            }
                        }
                        (eager, savepoints) = (true, true);
                        continue;
                    }
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
        self.db.forget();
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
                self.db.batch(self.engine.options().concurrency.begin(dialect, self.terms.in_turn)).await?;
                self.engine.still_fits(&mut self.db).await?;
                self.head = unit::head(&mut self.db).await?;
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
        self.close().await?;
        Ok(done)
    }

    /// One push: an answer or a refusal, both to be committed with the group.
    async fn push(&mut self, job: &PushJob) -> Result<Result<PushResponse, Refusal>, Lost> {
        let request = &job.request;
        let (group, client) = (job.caller.group.as_str(), request.client_id.as_str());
        if request.client_group_id != group {
            return Ok(Err(Refusal::client_group_mismatch()));
        }
        let entry = match self.entry.take() {
            Some(found) => ledger::lock_found(&mut self.db, found, client, group, self.now).await?,
            None => ledger::lock(&mut self.db, client, group, self.now).await?,
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
            match ledger::outcome(&mut self.db, client, mutation.id).await? {
                Some(stored) if stored.key == mutation.key => results.push(stored.duplicate(mutation.id)),
                _ => return Ok(Err(Refusal::client_forked())),
            }
        }
        if let Some(entry) = entry.as_ref().filter(|_| first == 0) {
            let settled = request.settled.unwrap_or_default().min(before);
            if settled > entry.settled {
                for (sql, params) in ledger::settle_by(client, entry.settled, settled) {
                    self.db.write(sql, &params).await?;
                }
            }
        }
        let left = mutations.split_off(results.len() - first);
        let keys: Vec<&str> = left.iter().map(|mutation| mutation.key.as_str()).collect();
        let mut known = self.known(group, &keys).await?;
        let most = self.most();
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
                Dialect::Sqlite => ledger::advance(&mut self.db, client, group, last, version, self.now).await?,
                Dialect::Postgres => {
                    self.advance =
                        Some(Advance { client: client.to_owned(), group: group.to_owned(), last, unit: version });
                }
            }
        } else if let Some(entry) = entry {
            if self.now - entry.seen_at > TOUCH_AFTER_MS {
                ledger::touch(&mut self.db, client, self.now).await?;
            }
        } else {
            ledger::unbind(&mut self.db, client).await?;
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
