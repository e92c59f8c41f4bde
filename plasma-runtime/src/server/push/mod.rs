//! Pushes: many clients' mutations in one durable commit, each run at most once.
//!
//! The group of pushes shares one transaction. A mutator that fails by its own word leaves no write but its outcome: when
//! it had written before, the transaction is run again with a savepoint for each mutation ([`caution`]). When the whole
//! transaction is lost nothing of the group was acknowledged: every push is tried again alone, so that the one that
//! cannot be committed is the only one refused.
//!
//! Where pushes run at once ([`concurrent`]), each has transactions of its own.

mod ahead;
mod caution;
mod close;
mod concurrent;
mod faults;
mod group;
mod isolation;
mod mutator;
mod one;
mod open;
mod statements;
mod task;
mod work;

pub(super) use caution::Caution;
pub(super) use faults::FaultBook;
use group::{Group, Lost, Terms};
pub use isolation::{AtOnce, Concurrency, Isolation, Retry};
#[cfg(feature = "http-server")]
pub(super) use mutator::has_nul;
pub(super) use statements::Deferring;
pub(super) use work::{Done, Work};
pub use work::{Task, TaskFn};

use super::hooks::{ServerError, ServerErrorKind};
use super::{PushJob, Refusal, ServerEngine};
use crate::error::{Error, ErrorKind};
use crate::inputs::Entropy;
use crate::protocol::PushResponse;
use crate::query::lower::Dialect;
use crate::store::SqlExecutor;

impl ServerEngine {
    /// Runs a group of pushes in one durable commit; answers each, in order.
    ///
    /// Begins and ends its own transactions: `db` must not be in one.
    pub async fn push_group(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        entropy: &mut dyn Entropy,
        jobs: &[PushJob],
    ) -> Vec<Result<PushResponse, Refusal>> {
        let work: Vec<Work<'_>> = jobs.iter().map(Work::Push).collect();
        let done = self.run_group(db, now_ms, entropy, &work, &mut || true, &mut self.at_once()).await;
        done.into_iter()
            .map(|done| match done {
                Done::Push(answer) => answer,
                Done::Task(_) => Err(Refusal::internal()),
            })
            .collect()
    }

    /// Runs one task of the server itself: a job, or a transaction of [`ServerDb`](super::ServerDb).
    ///
    /// # Errors
    /// What the task failed with; a job whose key is known fails again as it did the first time.
    pub async fn run_task(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        entropy: &mut dyn Entropy,
        task: &Task,
    ) -> crate::Result<()> {
        let work = [Work::Task(task)];
        match self.run_group(db, now_ms, entropy, &work, &mut || true, &mut self.at_once()).await.pop() {
            Some(Done::Task(result)) => result,
            _ => Err(Error::internal("the task was not run")),
        }
    }

    /// As often as the options say, without a wait in between: for a caller that has no clock.
    fn at_once(&self) -> AtOnce {
        AtOnce(self.options().concurrency.tries)
    }

    /// Runs work in one durable commit; `more` is asked before each but the first whether the group may grow. What is
    /// left over when it says no is not in the answer. Where pushes run at once each piece has commits of its own, and
    /// `retry` says what is done when one lost against another.
    pub(super) async fn run_group(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        entropy: &mut dyn Entropy,
        work: &[Work<'_>],
        more: &mut (dyn FnMut() -> bool + Send),
        retry: &mut dyn Retry,
    ) -> Vec<Done> {
        if db.dialect() == Dialect::Postgres {
            let mut done = Vec::with_capacity(work.len());
            for one in work {
                done.push(self.run_concurrently(db, now_ms, entropy, *one, retry).await);
            }
            return done;
        }
        match Group::run(self, db, now_ms, entropy, work, more, Terms::default()).await {
            Ok(committed) => committed.done,
            // Nobody was answered: each alone, so that one that cannot be committed fails alone.
            Err(_) if work.len() > 1 => {
                let mut done = Vec::with_capacity(work.len());
                for one in work {
                    done.push(self.run_alone(db, now_ms, entropy, *one).await);
                }
                done
            }
            Err(lost) => {
                let Some(one) = work.first() else { return Vec::new() };
                vec![self.settle_alone(db, now_ms, entropy, *one, lost).await]
            }
        }
    }

    async fn run_alone(&self, db: &mut dyn SqlExecutor, now_ms: i64, entropy: &mut dyn Entropy, one: Work<'_>) -> Done {
        match Group::run(self, db, now_ms, entropy, &[one], &mut || true, Terms::default()).await {
            Ok(mut committed) => committed.done.pop().unwrap_or_else(|| one.unavailable()),
            Err(lost) => self.settle_alone(db, now_ms, entropy, one, lost).await,
        }
    }

    /// What becomes of work that lost its transaction although it ran alone.
    async fn settle_alone(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        entropy: &mut dyn Entropy,
        one: Work<'_>,
        mut lost: Lost,
    ) -> Done {
        let mut verdicts: Vec<(u64, Error)> = Vec::new();
        loop {
            let Some(at) = lost.at else {
                self.report_lost(one, &lost, lost.at);
                return one.unavailable_because(lost.error);
            };
            if lost.error.kind() == ErrorKind::Conflict && !verdicts.iter().any(|(id, _)| *id == at) {
                // A trigger of the user's that rolls everything back: the mutation's own fault.
                verdicts.push((at, lost.error));
                let terms = Terms { verdicts: &verdicts, ..Terms::default() };
                match Group::run(self, db, now_ms, entropy, &[one], &mut || true, terms).await {
                    Ok(mut committed) => return committed.done.pop().unwrap_or_else(|| one.unavailable()),
                    Err(next) => lost = next,
                }
                continue;
            }
            self.report_lost(one, &lost, Some(at));
            if let Work::Push(job) = one {
                self.faults().note(&job.request.client_id, at);
                // What came before it must not wait for it. Whether that works changes nothing in the answer: this
                // push is not done, and its retry finds in the ledger what is.
                let terms = Terms { verdicts: &verdicts, stop_before: Some(at), ..Terms::default() };
                if let Err(again) = Group::run(self, db, now_ms, entropy, &[one], &mut || true, terms).await {
                    self.report_lost(one, &again, again.at);
                }
            }
            return one.unavailable_because(lost.error);
        }
    }

    fn report_lost(&self, one: Work<'_>, lost: &Lost, at: Option<u64>) {
        let error = Error::new(lost.error.kind(), lost.error.message().to_owned());
        let mut report = ServerError::new(
            if at.is_some() { ServerErrorKind::MutationError } else { ServerErrorKind::Internal },
            error,
        );
        if let Work::Push(job) = one {
            report.group = Some(job.caller.group.clone());
            report.client_id = Some(job.request.client_id.clone());
            report.mutation = at.map(|id| {
                let named = job.request.mutations.iter().find(|mutation| mutation.id == id);
                (id, named.map(mutator::wire_name).unwrap_or_default())
            });
        }
        self.options().hooks.report(&report);
    }
}
