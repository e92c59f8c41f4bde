//! What the writer does: pushes, and tasks of the server itself.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};
use crate::mutate::{ErasedCtx, StatementsFn};
use crate::protocol::{MutationStatus, PushResponse};
use crate::server::{PushJob, Refusal};

/// The statements of a [`Task`]. It may be run again when the database loses the transaction.
pub type TaskFn = StatementsFn;

/// Work of the server itself: a job (`invoke`) or a transaction of the application.
#[derive(Clone)]
pub struct Task {
    /// Whose rights count; none for trusted work.
    pub ctx: Option<Arc<ErasedCtx>>,
    /// A job is run at most once per key, and its outcome is kept; without a key nothing is kept.
    pub key: Option<Uuid>,
    /// The statements.
    pub run: Arc<TaskFn>,
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("key", &self.key).field("trusted", &self.ctx.is_none()).finish_non_exhaustive()
    }
}

/// One piece of a group.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) enum Work<'w> {
    Push(&'w PushJob),
    Task(&'w Task),
}

/// How one piece ended.
#[derive(Debug)]
pub(in crate::server) enum Done {
    Push(Result<PushResponse, Refusal>),
    Task(Result<()>),
}

impl Work<'_> {
    pub(super) fn unavailable(self) -> Done {
        self.unavailable_because(Error::new(ErrorKind::Fault, "the database lost the transaction"))
    }

    pub(super) fn unavailable_because(self, error: Error) -> Done {
        match self {
            Work::Push(_) => Done::Push(Err(Refusal::unavailable())),
            Work::Task(_) => Done::Task(Err(error)),
        }
    }
}

impl Done {
    /// Whether it may have written something that others want to hear of.
    pub(in crate::server) fn advances(&self) -> bool {
        match self {
            Done::Push(Ok(answer)) => answer.results.iter().any(|result| result.status != MutationStatus::Duplicate),
            // A gap and a fault keep what ran before them.
            Done::Push(Err(refusal)) => refusal.status == 503 || refusal.error.error == "mutation-gap",
            Done::Task(result) => result.is_ok(),
        }
    }
}
