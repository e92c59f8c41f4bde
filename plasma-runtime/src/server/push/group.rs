//! One transaction of a group.

use std::collections::BTreeMap;

use super::mutator::{self, Asked};
use super::work::{Done, Task, TaskFn, Work};
use crate::error::{Error, ErrorKind, Result};
use crate::inputs::Entropy;
use crate::mutate::{Effects, ErasedCtx, Location, MutatorDef, Reason, TxMeta};
use crate::protocol::{MutationResult, MutationStatus, PushResponse, PushedMutation};
use crate::server::ddl::random_mark;
use crate::server::executor::{Bases, Plans, ServerExecutor};
use crate::server::hooks::{ServerError, ServerErrorKind};
use crate::server::ledger::unit::{self, Who};
use crate::server::ledger::{self, Stored};
use crate::server::{JOBS, PushJob, Refusal, ServerEngine};
use crate::store::SqlExecutor;
use uuid::Uuid;

/// After this long without a push that advances its ledger, a client's sign of life is noted anyway, ms.
const TOUCH_AFTER_MS: i64 = 86_400_000;

/// The transaction is lost: nothing of the group is committed, nobody may be acknowledged.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) error: Error,
    /// The mutation that was running.
    pub(super) at: Option<u64>,
}

impl From<Error> for Lost {
    fn from(error: Error) -> Self {
        Lost { error, at: None }
    }
}

/// How one run ended, with the transaction alive.
enum Ran {
    Applied,
    Rejected(Error),
    Fault(Error),
}

/// What runs inside the savepoint.
enum Body<'b> {
    Mutator { mutator: &'b MutatorDef, ctx: &'b ErasedCtx, args: &'b str, bases: Bases },
    Task(&'b TaskFn),
}

/// What became of one mutation.
enum Step {
    Done(MutationResult, i64),
    Fault,
}

/// One transaction under way.
pub(super) struct Group<'g> {
    engine: &'g ServerEngine,
    db: &'g mut dyn SqlExecutor,
    entropy: &'g mut dyn Entropy,
    now: i64,
    /// The last position of the change log.
    head: i64,
    /// Mutations that are not run but rejected with this error.
    verdicts: &'g [(u64, Error)],
    /// The push ends before this mutation.
    stop_before: Option<u64>,
    /// Told after the commit: a lost transaction did not happen.
    reports: Vec<ServerError>,
    finished: Vec<(String, u64)>,
    faulty: Vec<(String, u64)>,
}

impl<'g> Group<'g> {
    /// Runs `work` in one transaction and commits it.
    #[allow(clippy::too_many_arguments)]
    pub(super) async fn run(
        engine: &'g ServerEngine,
        db: &'g mut dyn SqlExecutor,
        now: i64,
        entropy: &'g mut dyn Entropy,
        work: &[Work<'_>],
        more: &mut (dyn FnMut() -> bool + Send),
        verdicts: &'g [(u64, Error)],
        stop_before: Option<u64>,
    ) -> Result<Vec<Done>, Lost> {
        let mut group = Group {
            engine,
            db,
            entropy,
            now,
            head: 0,
            verdicts,
            stop_before,
            reports: Vec::new(),
            finished: Vec::new(),
            faulty: Vec::new(),
        };
        let outcome = group.transaction(work, more).await;
        match outcome {
            Ok(done) => {
                engine.faults().committed(group.finished.iter());
                for (client, id) in &group.faulty {
                    engine.faults().note(client, *id);
                }
                for report in &group.reports {
                    engine.options().hooks.report(report);
                }
                Ok(done)
            }
            Err(lost) => {
                if group.db.in_transaction()
                    && let Err(error) = group.db.batch("ROLLBACK").await
                {
                    // The next BEGIN fails for the same reason, and says so.
                    engine.options().hooks.report(&ServerError::new(ServerErrorKind::Internal, error));
                }
                Err(lost)
            }
        }
    }

    async fn transaction(
        &mut self,
        work: &[Work<'_>],
        more: &mut (dyn FnMut() -> bool + Send),
    ) -> Result<Vec<Done>, Lost> {
        self.db.batch("BEGIN IMMEDIATE").await?;
        self.head = unit::head(self.db).await?;
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
        // Constraints are immediate: a commit fails only for the machine's reasons.
        self.db.batch("COMMIT").await?;
        Ok(done)
    }

    /// One push: an answer or a refusal, both to be committed with the group.
    async fn push(&mut self, job: &PushJob) -> Result<Result<PushResponse, Refusal>, Lost> {
        let request = &job.request;
        let (group, client) = (job.caller.group.as_str(), request.client_id.as_str());
        if request.client_group_id != group {
            return Ok(Err(Refusal::client_group_mismatch()));
        }
        let entry = ledger::lock(self.db, client, group, self.now).await?;
        if entry.as_ref().is_some_and(|entry| entry.group != group) {
            return Ok(Err(Refusal::client_id_taken()));
        }
        if entry.as_ref().is_some_and(|entry| entry.expired) {
            return Ok(Err(Refusal::client_expired()));
        }
        let before = entry.as_ref().map_or(0, |entry| entry.last);
        let mut mutations: Vec<&PushedMutation> = request.mutations.iter().collect();
        mutations.sort_by_key(|mutation| mutation.id);
        // The whole push first: a store that was copied must not have a part of its queue run.
        let mut results = Vec::with_capacity(mutations.len());
        for mutation in mutations.iter().take_while(|mutation| mutation.id <= before) {
            match ledger::outcome(self.db, client, mutation.id).await? {
                Some(stored) if stored.key == mutation.key => results.push(stored.duplicate(mutation.id)),
                _ => return Ok(Err(Refusal::client_forked())),
            }
        }
        if let Some(entry) = &entry {
            let settled = request.settled.unwrap_or_default().min(before);
            if settled > entry.settled {
                ledger::settle(self.db, client, entry.settled, settled).await?;
            }
        }
        let keys: Vec<&str> = mutations.iter().skip(results.len()).map(|mutation| mutation.key.as_str()).collect();
        let mut known = ledger::outcomes_by_key(self.db, group, &keys).await?;
        let mut plans = Plans::default();
        let (mut last, mut version) = (before, 0);
        let mut refusal = None;
        for mutation in mutations.iter().skip(results.len()) {
            if self.stop_before == Some(mutation.id) {
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
            ledger::advance(self.db, client, group, last, version, self.now).await?;
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

    /// The next mutation of a client.
    async fn mutation(
        &mut self,
        job: &PushJob,
        mutation: &PushedMutation,
        known: &mut BTreeMap<String, Stored>,
        plans: &mut Plans,
    ) -> Result<Step, Lost> {
        let (group, client) = (job.caller.group.as_str(), job.request.client_id.as_str());
        let engine = self.engine;
        if let Some(stored) = known.get(&mutation.key) {
            // Issued before, under another id: the ledger advances, nothing runs.
            let position = self.store(group, client, mutation.id, stored, true, false).await?;
            return Ok(Step::Done(stored.clone().duplicate(mutation.id), position));
        }
        let verdict = self.verdicts.iter().find(|(id, _)| *id == mutation.id).map(|(_, error)| error);
        let hopeless = engine.faults().is_hopeless(client, mutation.id, engine.options().faults_before_rejection);
        let mut effects = None;
        let ran = if let Some(error) = verdict {
            Ok(Ran::Rejected(error.duplicate()))
        } else if hopeless {
            Ok(Ran::Rejected(Error::rejected("internal", "the server could not run this mutation, again and again")))
        } else {
            match mutator::asked(&engine.definition, mutation, &job.request.schema_version) {
                Ok(Asked::Skip) => Err(MutationStatus::Skipped),
                Err(error) => Ok(Ran::Rejected(error)),
                Ok(Asked::Run { mutator, key, timestamp, args, bases }) => {
                    let mut meta = TxMeta::new(Location::Server, Reason::Authoritative, key, timestamp);
                    meta.client_id = Some(client.to_owned());
                    meta.mutation_id = Some(mutation.id);
                    meta.received_at = Some(self.now);
                    let (ctx, claimed) = (&*job.caller.ctx, mutator::claimed_reads(mutation));
                    if claimed.is_some() {
                        meta.begin_record(&engine.definition.schema, mutator.name);
                    }
                    let body = Body::Mutator { mutator, ctx, args: &args, bases };
                    let who = Who { group, client, mutation: mutation.id };
                    let ran = self.run_one(Some(ctx), plans, &meta, Some(who), body).await?;
                    // Told only to a client that knows what was read: else it could learn of rows it may not see.
                    let known = |effects: &Effects| claimed.as_ref() == Some(&effects.reads);
                    effects = meta.effects().filter(known).map(|effects| effects.writes);
                    Ok(ran)
                }
            }
        };
        let mut stored =
            Stored { key: mutation.key.clone(), status: MutationStatus::Applied, error: None, effects: None };
        let mut wrote = false;
        match ran {
            Ok(Ran::Applied) => {
                wrote = true;
                stored.effects = effects;
            }
            Ok(Ran::Rejected(error)) => {
                stored.status = MutationStatus::Rejected;
                stored.error = Some(mutator::wire_error(&error));
                if mutator::is_defect(&error) {
                    self.report(job, mutation, error);
                }
            }
            Ok(Ran::Fault(error)) => {
                self.report(job, mutation, error);
                self.faulty.push((client.to_owned(), mutation.id));
                return Ok(Step::Fault);
            }
            Err(status) => stored.status = status,
        }
        let position = self.store(group, client, mutation.id, &stored, false, wrote).await?;
        self.finished.push((client.to_owned(), mutation.id));
        known.insert(stored.key.clone(), stored.clone());
        Ok(Step::Done(stored.first(mutation.id), position))
    }

    /// Stores key and outcome, outside the mutation's savepoint; returns the position of the acknowledgement.
    async fn store(
        &mut self,
        group: &str,
        client: &str,
        id: u64,
        stored: &Stored,
        again: bool,
        wrote: bool,
    ) -> Result<i64, Lost> {
        let mark = random_mark(self.entropy);
        let who = Who { group, client, mutation: id };
        let position = unit::finish(self.db, who, stored, again, wrote, &mut self.head, mark, self.now).await?;
        Ok(position)
    }

    /// Runs statements inside a savepoint. An error is a lost transaction.
    async fn run_one(
        &mut self,
        ctx: Option<&ErasedCtx>,
        plans: &mut Plans,
        meta: &TxMeta,
        who: Option<Who<'_>>,
        body: Body<'_>,
    ) -> Result<Ran, Lost> {
        let mark = random_mark(self.entropy);
        unit::begin(self.db, who, mark, self.now).await?;
        self.db.execute("SAVEPOINT plasma_mutation", &[]).await?;
        let mut executor = ServerExecutor::new(self.engine, self.db, ctx, plans);
        let outcome = mutator::poll_guarded(|| match body {
            Body::Mutator { mutator, ctx, args, bases } => {
                executor.saw(bases);
                mutator.start(&mut executor, meta, ctx, args)
            }
            Body::Task(run) => run(&mut executor, meta),
        });
        let outcome = executor.finish(outcome).await;
        if !self.db.in_transaction() {
            // The savepoint is gone with everything before it: no further statement may run as if it were there.
            let error = outcome.err().unwrap_or_else(|| Error::new(ErrorKind::Fault, "the transaction is lost"));
            return Err(error.into());
        }
        if outcome.is_err() {
            self.db.execute("ROLLBACK TO plasma_mutation", &[]).await?;
        }
        self.db.execute("RELEASE plasma_mutation", &[]).await?;
        Ok(match outcome {
            Ok(()) => Ran::Applied,
            Err(error) if error.is_refusal() => Ran::Rejected(error),
            Err(error) => Ran::Fault(error),
        })
    }

    /// One task of the server. A job with a key is a mutation of the reserved client.
    async fn task(&mut self, task: &Task) -> Result<Result<()>, Lost> {
        let mut plans = Plans::default();
        let Some(key) = task.key else {
            let key = self.random_key();
            let meta = self.task_meta(key);
            let ran = self.run_one(task.ctx.as_deref(), &mut plans, &meta, None, Body::Task(&*task.run)).await?;
            self.head = unit::head(self.db).await?;
            return Ok(match ran {
                Ran::Applied => Ok(()),
                Ran::Rejected(error) | Ran::Fault(error) => Err(error),
            });
        };
        let text = key.to_string();
        if let Some(stored) = ledger::outcomes_by_key(self.db, JOBS, &[&text]).await?.remove(&text) {
            return Ok(match stored.error {
                None => Ok(()),
                Some(error) => {
                    let again = Error::rejected(error.code, error.message);
                    Err(match error.data {
                        Some(data) => again.with_data(data),
                        None => again,
                    })
                }
            });
        }
        let id = ledger::lock(self.db, JOBS, JOBS, self.now).await?.map_or(0, |entry| entry.last) + 1;
        let meta = self.task_meta(key);
        let at = |lost: Lost| Lost { at: Some(lost.at.unwrap_or(id)), ..lost };
        let who = Who { group: JOBS, client: JOBS, mutation: id };
        let ran = self.run_one(task.ctx.as_deref(), &mut plans, &meta, Some(who), Body::Task(&*task.run)).await;
        let (status, error) = match ran.map_err(at)? {
            Ran::Applied => (MutationStatus::Applied, None),
            Ran::Rejected(error) => (MutationStatus::Rejected, Some(error)),
            Ran::Fault(error) => return Ok(Err(error)),
        };
        let stored = Stored { key: text, status, error: error.as_ref().map(mutator::wire_error), effects: None };
        let position = self.store(JOBS, JOBS, id, &stored, false, error.is_none()).await?;
        ledger::advance(self.db, JOBS, JOBS, id, position, self.now).await?;
        Ok(error.map_or(Ok(()), Err))
    }

    fn task_meta(&self, key: Uuid) -> TxMeta {
        let mut meta = TxMeta::new(Location::Server, Reason::Authoritative, key, self.now);
        meta.received_at = Some(self.now);
        meta
    }

    fn random_key(&mut self) -> Uuid {
        let mut bytes = [0u8; 16];
        self.entropy.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    fn report(&mut self, job: &PushJob, mutation: &PushedMutation, error: Error) {
        self.reports.push(ServerError {
            kind: ServerErrorKind::MutationError,
            error,
            group: Some(job.caller.group.clone()),
            client_id: Some(job.request.client_id.clone()),
            mutation: Some((mutation.id, mutator::wire_name(mutation))),
        });
    }
}
