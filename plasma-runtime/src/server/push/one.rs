//! One mutation of a group: what a failed run wrote is undone, its outcome is stored all the same.

use std::collections::BTreeMap;

use super::group::{Group, Lost};
use super::isolation::{circumstance, is_canceled};
use super::mutator::{self, Asked};
use super::statements::Statements;
use super::work::TaskFn;
use crate::error::{Error, ErrorKind, Result};
use crate::mutate::{Effects, ErasedCtx, Location, MutatorDef, Reason, TxMeta, start_statements};
use crate::protocol::{MutationResult, MutationStatus, PushedMutation};
use crate::query::lower::Dialect;
use crate::server::executor::{Bases, Plans, ServerExecutor};
use crate::server::ledger::Stored;
use crate::server::ledger::unit::{self, Who};
use crate::server::{JOBS, PushJob};
use crate::store::SqlExecutor as _;

/// How one run ended, with the transaction alive.
pub(super) enum Ran {
    Applied,
    Rejected(Error),
    Fault(Error),
}

/// What runs.
#[derive(Clone, Copy)]
pub(super) enum Body<'b> {
    Mutator { mutator: &'b MutatorDef, ctx: &'b ErasedCtx, args: &'b str, bases: &'b Bases },
    Task(&'b TaskFn),
}

/// What became of one mutation.
pub(super) enum Step {
    Done(MutationResult, i64),
    Fault,
}

impl Group<'_> {
    /// The next mutation of a client.
    pub(super) async fn mutation(
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
        let verdict = self.terms.verdicts.iter().find(|(id, _)| *id == mutation.id).map(|(_, error)| error);
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
                Ok(Asked::Run { mutator, key, timestamp, args, bases, observed }) => {
                    let mut meta = TxMeta::new(Location::Server, Reason::Authoritative, key, timestamp);
                    meta.client_id = Some(client.to_owned());
                    meta.mutation_id = Some(mutation.id);
                    meta.received_at = Some(self.now);
                    meta.crdt = engine.options().crdt_rules();
                    meta.saw(observed);
                    let (ctx, claimed) = (&*job.caller.ctx, mutator::claimed_reads(mutation));
                    if claimed.is_some() {
                        meta.begin_record(&engine.definition.schema, mutator.name);
                    }
                    let body = Body::Mutator { mutator, ctx, args: &args, bases: &bases };
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
            // Perhaps because it ran before, as another client's.
            Ok(Ran::Fault(error)) if self.may_be_known() => return Err(again(error)),
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

    /// Stores key and outcome, outside of what a failed run is undone by; returns the position of the acknowledgement.
    pub(super) async fn store(
        &mut self,
        group: &str,
        client: &str,
        id: u64,
        stored: &Stored,
        again: bool,
        wrote: bool,
    ) -> Result<i64, Lost> {
        if self.db.dialect() == Dialect::Postgres && client != JOBS {
            return Ok(self.keep(id, stored, again)?);
        }
        let who = Who { group, client, mutation: id };
        let head = &mut self.head;
        Ok(unit::finish(&mut self.db, who, stored, again, wrote, head, self.entropy, self.now).await?)
    }

    /// From here on writes are of the next mutation's unit.
    async fn begin_unit(&mut self, who: Option<Who<'_>>) -> Result<()> {
        match self.units.begin() {
            Some((_, true)) => Ok(()),
            Some((unit, false)) => self.db.resume(unit).await,
            None => unit::begin(&mut self.db, who, self.entropy, self.now).await,
        }
    }

    /// Whether a key may have been issued before without this transaction's knowing.
    pub(super) fn may_be_known(&self) -> bool {
        self.db.dialect() == Dialect::Postgres && !self.terms.look_up
    }

    /// Runs statements so that those of a failed run leave nothing. An error is a lost transaction.
    pub(super) async fn run_one(
        &mut self,
        ctx: Option<&ErasedCtx>,
        plans: &mut Plans,
        meta: &TxMeta,
        who: Option<Who<'_>>,
        body: Body<'_>,
    ) -> Result<Ran, Lost> {
        self.db.names(who.map_or(0, |who| who.mutation));
        self.begin_unit(who).await?;
        // An application's own statements are not run twice without need: it would see that.
        let saved = self.savepoints || matches!(body, Body::Task(_));
        if saved {
            self.db.control("SAVEPOINT plasma_mutation").await?;
        }
        self.db.mark();
        let mut careful = false;
        let (outcome, clean) = loop {
            let mut statements = Statements::new(&mut self.db, careful);
            let mut executor = ServerExecutor::new(self.engine, &mut statements, ctx, plans);
            let outcome = mutator::guarded(match body {
                Body::Mutator { mutator, ctx, args, bases } => {
                    executor.saw(bases.clone());
                    mutator.start(&mut executor, meta, ctx, args)
                }
                Body::Task(run) => start_statements(&mut executor, meta, run),
            });
            let outcome = outcome.await;
            let outcome = executor.finish(outcome).await;
            let (needs_care, clean) = (statements.needs_care(&outcome), statements.is_clean());
            if self.db.lost().is_some() {
                // What the mutator was told before it was known was wrong.
                return Err(outcome.err().unwrap_or_else(unsaved).into());
            }
            if careful || !needs_care || !self.db.in_transaction() {
                break (outcome, clean);
            }
            // It goes on after a statement that failed: from the beginning, with a savepoint for each.
            if !saved {
                return Err(Lost::unsaved(outcome.err().unwrap_or_else(unsaved)));
            }
            careful = true;
            self.db.execute("ROLLBACK TO plasma_mutation", &[]).await?;
            let recorded = meta.effects().is_some();
            meta.restart();
            if let (Body::Mutator { mutator, .. }, true) = (body, recorded) {
                meta.begin_record(&self.engine.definition.schema, mutator.name);
            }
        };
        if !self.db.in_transaction() {
            // The savepoint is gone with everything before it: no further statement may run as if it were there.
            let error = outcome.err().unwrap_or_else(|| Error::new(ErrorKind::Fault, "the transaction is lost"));
            return Err(error.into());
        }
        let outcome = match outcome {
            // The whole transaction stands in the way of another, waited for one in vain, or found no room; or it ran for
            // too long, which it should not do once more to be undone by itself.
            Err(error) if circumstance(&error).is_some() || is_canceled(&error) => return Err(error.into()),
            Err(error) if self.db.gives_up_guesses() => return Err(error.into()),
            Err(error) if !saved && (!clean || self.db.has_sent()) => return Err(Lost::unsaved(error)),
            outcome => outcome,
        };
        if saved {
            if outcome.is_err() {
                self.db.execute("ROLLBACK TO plasma_mutation", &[]).await?;
            }
            self.db.control("RELEASE plasma_mutation").await?;
        }
        Ok(match outcome {
            Ok(()) => Ran::Applied,
            Err(error) if error.is_refusal() => Ran::Rejected(error),
            Err(error) => Ran::Fault(error),
        })
    }
}

#[cold]
fn unsaved() -> Error {
    Error::new(ErrorKind::Fault, "a statement of the mutation failed")
}

/// The transaction is run again, with its keys looked up.
#[cold]
pub(super) fn again(error: Error) -> Lost {
    Error::new(ErrorKind::Conflict, "the mutation's key may have been issued before").with_source(error).into()
}
