//! Upkeep on the writer's thread: small steps between the groups.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::future::poll_once;
use crate::server::{CompactionOptions, CompactionResult, ServerEngine, Upkeep};
use crate::store::SqlExecutor;

/// While others wait for the writer, a step is followed by so many times as long without one.
const REST: u32 = 3;

/// A failed round is tried again after so long, ms.
const AGAIN_MS: i64 = 60_000;

/// Somebody asked for a compaction.
pub(super) struct Asked {
    pub(super) options: CompactionOptions,
    pub(super) reply: oneshot::Sender<Result<CompactionResult>>,
}

struct Round {
    upkeep: Upkeep,
    reply: Option<oneshot::Sender<Result<CompactionResult>>>,
}

/// The round under way, and when the next one begins.
pub(super) struct Rounds {
    current: Option<Round>,
    /// When the next automatic round is due, unix ms.
    due_ms: i64,
    /// While others wait, no step before this.
    rest_until: Option<Instant>,
}

impl Rounds {
    /// The first round is due at once.
    pub(super) fn new() -> Self {
        Rounds { current: None, due_ms: i64::MIN, rest_until: None }
    }

    /// A step panicked: what was under way is given up.
    pub(super) fn after_panic(now_ms: i64) -> Self {
        Rounds { current: None, due_ms: now_ms.saturating_add(AGAIN_MS), rest_until: None }
    }

    /// Whether a step is to be taken now. `waiting` says that others want the writer.
    #[expect(clippy::disallowed_methods, reason = "the writer shares its time")]
    pub(super) fn wants(&self, now_ms: i64, waiting: bool) -> bool {
        let resting = waiting && self.rest_until.is_some_and(|until| Instant::now() < until);
        (self.current.is_some() || now_ms >= self.due_ms) && !resting
    }

    /// Begins with what somebody asked for, when nothing is under way.
    pub(super) fn is_free(&self) -> bool {
        self.current.is_none()
    }

    pub(super) fn ask(&mut self, asked: Asked) {
        self.current = Some(Round { upkeep: Upkeep::compaction(asked.options), reply: Some(asked.reply) });
    }

    /// Takes one step.
    #[expect(clippy::disallowed_methods, reason = "steps are timed, so that the next one is no longer than it may be")]
    pub(super) fn step(&mut self, engine: &ServerEngine, db: &mut dyn SqlExecutor, now_ms: i64) {
        let round = self.current.get_or_insert_with(|| Round { upkeep: engine.upkeep(), reply: None });
        let started = Instant::now();
        let step = poll_once(Box::pin(engine.upkeep_step(db, now_ms, &mut round.upkeep)));
        let step = step.unwrap_or_else(|| Err(Error::internal("the database's futures are not ready at once")));
        let took = started.elapsed();
        engine.upkeep_took(&mut round.upkeep, took);
        self.rest_until = Some(Instant::now() + took * REST);
        let end = match step {
            Ok(true) => return,
            Ok(false) => Ok(round.upkeep.done()),
            Err(error) => Err(error),
        };
        let Some(Round { reply, .. }) = self.current.take() else { return };
        match reply {
            // Whoever asked may be gone.
            Some(reply) => drop(reply.send(end.map(|done| done.compaction.unwrap_or_default()))),
            None => {
                let pause = if end.is_ok() { engine.options().upkeep_every_ms } else { AGAIN_MS };
                self.due_ms = now_ms.saturating_add(pause.max(1));
                engine.report_upkeep(end);
            }
        }
    }

    /// How long an idle writer may sleep.
    pub(super) const SLEEP: Duration = Duration::from_secs(30);
}
