//! Pushes on a database where those of several clients run at once.
//!
//! Each push has transactions of its own, of so many mutations at most. The first thing in one is the client's row of the
//! ledger, locked: pushes of one client come one after the other, whichever server has them. A transaction that was in
//! another's way is run again from its beginning, with the same ids and the same time; whatever else fails is answered
//! with 503, and the ledger decides on the retry.

use super::group::{Committed, Group, Lost, Terms};
use super::isolation::{Circumstance, Retry, circumstance, is_answer};
use super::{Done, Work};
use crate::error::{Error, ErrorKind};
use crate::inputs::Entropy;
use crate::protocol::PushResponse;
use crate::server::{Refusal, ServerEngine};
use crate::store::SqlExecutor;

/// After so many tries that lost, a transaction has the database's pushes to itself.
const FREE_TRIES: u32 = 3;

impl ServerEngine {
    /// Runs one push or task to its end.
    pub(super) async fn run_concurrently(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        entropy: &mut dyn Entropy,
        one: Work<'_>,
        retry: &mut dyn Retry,
    ) -> Done {
        let mut committed = Vec::new();
        loop {
            let terms = Terms { committed: &committed, ..Terms::default() };
            let ended = match self.run_until_settled(db, now_ms, entropy, one, retry, terms).await {
                Ok(ended) => ended,
                Err(lost) => return self.give_up(db, now_ms, entropy, one, retry, terms, lost).await,
            };
            let Committed { mut done, more } = ended;
            match (done.pop(), more) {
                (Some(Done::Push(Ok(PushResponse { results, .. }))), true) => committed = results,
                (Some(done), _) => return done,
                (None, _) => return one.unavailable(),
            }
        }
    }

    /// Runs one transaction, again and again while others are in its way.
    async fn run_until_settled(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        entropy: &mut dyn Entropy,
        one: Work<'_>,
        retry: &mut dyn Retry,
        terms: Terms<'_>,
    ) -> Result<Committed, Lost> {
        let (mut tries, mut alone) = (0, terms.alone);
        let mut verdicts: Vec<(u64, Error)> = Vec::new();
        loop {
            tries += 1;
            let in_turn = tries > FREE_TRIES;
            let terms = Terms { verdicts: &verdicts, alone, look_up: tries > 1, in_turn, ..terms };
            let lost = match Group::run(self, db, now_ms, entropy, &[one], &mut || true, terms).await {
                Ok(committed) => return Ok(committed),
                Err(lost) => lost,
            };
            if db.in_transaction() {
                return Err(lost);
            }
            if lost.is_race() && retry.again(tries).await {
                continue;
            }
            // What is checked at the end only (a constraint that an operator deferred) is some mutation's fault. Which one's
            // shows when each has a commit of its own.
            if !lost.is_refused_commit() {
                return Err(lost);
            }
            match lost.at {
                None if !alone => alone = true,
                Some(at) if lost.error.kind() == ErrorKind::Conflict && verdicts.is_empty() => {
                    verdicts.push((at, verdict(&lost.error)));
                }
                _ => return Err(lost),
            }
        }
    }

    /// The transaction is lost for good. What comes before the mutation that lost it must not wait for it.
    #[expect(clippy::too_many_arguments, reason = "what one transaction needs, and why it is lost")]
    async fn give_up(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        entropy: &mut dyn Entropy,
        one: Work<'_>,
        retry: &mut dyn Retry,
        terms: Terms<'_>,
        lost: Lost,
    ) -> Done {
        self.report_lost(one, &lost, lost.at);
        if let (Work::Push(job), Some(at)) = (one, lost.at) {
            let client = &job.request.client_id;
            let why = circumstance(&lost.error);
            match why {
                Some(Circumstance::Cut) => self.faults().note_cut(client, at),
                Some(Circumstance::Ended) => self.faults().forgive(client, at),
                None if !lost.is_race() => self.faults().note(client, at),
                // That others were in the way says nothing about the mutation.
                _ => {}
            }
            // Where the connection is gone there is nothing to try; the retry commits what comes before a suspect by itself.
            let gone = matches!(why, Some(Circumstance::Cut | Circumstance::Ended));
            if !gone && job.request.mutations.iter().any(|mutation| mutation.id < at) {
                let terms = Terms { stop_before: Some(at), ..terms };
                // Whether that works changes nothing in the answer: this push is not done, and its retry finds in the
                // ledger what is.
                if let Err(again) = self.run_until_settled(db, now_ms, entropy, one, retry, terms).await {
                    self.report_lost(one, &again, again.at);
                }
            }
        }
        match one {
            Work::Push(_) => Done::Push(Err(Refusal::unavailable())),
            Work::Task(_) => one.unavailable_because(lost.error),
        }
    }
}

impl Lost {
    /// Another transaction was in the way: run again, this one meets another world.
    fn is_race(&self) -> bool {
        // A key that another client of the group committed meanwhile: the ledger's own statements break no other rule.
        let key = self.error.kind() == ErrorKind::Conflict && !self.at_commit;
        circumstance(&self.error) == Some(Circumstance::Race) || key
    }

    /// The database refused to commit what had been done.
    fn is_refused_commit(&self) -> bool {
        self.at_commit && circumstance(&self.error).is_none() && is_answer(&self.error)
    }
}

/// The error of a mutation that the database would not commit. Which rows stand in its way is not said: it was not asked
/// whether the client may read them. A trigger's words are the application's own.
fn verdict(error: &Error) -> Error {
    match error.data().and_then(|data| data["constraint"].as_str()) {
        Some("trigger") => error.duplicate(),
        _ => Error::conflict("a constraint of the database does not hold"),
    }
}
