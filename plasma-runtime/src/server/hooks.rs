//! What the server tells the application: errors and figures.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Maintained;
use crate::error::Error;
use crate::future::BoxFuture;
use crate::protocol::MutationResult;

/// Which part of the server's work failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerErrorKind {
    /// A mutator panicked, awaited something foreign, met a fault of the machine, or failed with an internal error.
    MutationError,
    /// The application's `on_pushed` failed.
    OnPushedFailed,
    /// A request of another protocol version.
    ProtocolMismatch,
    /// A request of another schema.
    SchemaMismatch,
    /// A request without valid credentials.
    Unauthorized,
    /// A request that breaks the protocol.
    InvalidRequest,
    /// The database or the server itself failed outside a mutation.
    Internal,
    /// A round of upkeep (expiry, compaction) failed. It is tried again; nothing is lost but disk space.
    MaintenanceFailed,
}

/// An error the application hears of through `on_error`. Holds what never goes over the wire.
#[derive(Debug)]
pub struct ServerError {
    /// Which part of the work failed.
    pub kind: ServerErrorKind,
    /// What went wrong, with its sources.
    pub error: Error,
    /// The client group it concerns.
    pub group: Option<String>,
    /// The client it concerns.
    pub client_id: Option<String>,
    /// The mutation it concerns: its id and, where it could be read, its name.
    pub mutation: Option<(u64, String)>,
}

impl ServerError {
    /// An error that concerns no client.
    pub fn new(kind: ServerErrorKind, error: Error) -> Self {
        ServerError { kind, error, group: None, client_id: None, mutation: None }
    }
}

/// A push that is committed.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// Who pushed.
    pub group: String,
    /// The client that pushed.
    pub client_id: String,
    /// What became of its mutations; duplicates too.
    pub results: Vec<MutationResult>,
}

/// One answered request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// `push`, `pull`, `health`, or `other` for what is none of them.
    pub endpoint: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// From the request's head to the answer, the waiting of long polls included.
    pub latency: Duration,
    /// Bytes of the body that came, as sent.
    pub bytes_in: usize,
    /// Bytes of the body that went, as sent.
    pub bytes_out: usize,
}

/// Runs a future to its end, somewhere: given by the application.
pub type WaitUntil = Arc<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>;

/// Hears of errors.
pub type OnError = Arc<dyn Fn(&ServerError) + Send + Sync>;
/// Hears of committed pushes.
pub type OnPushed = Arc<dyn Fn(Pushed) -> BoxFuture<'static, crate::Result<()>> + Send + Sync>;
/// Hears of answered requests.
pub type OnMetric = Arc<dyn Fn(&Metric) + Send + Sync>;

/// Hears of rounds of upkeep.
pub type OnMaintained = Arc<dyn Fn(&Maintained) + Send + Sync>;

/// The application's ears. All of them optional.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Hears of every error, with all its detail. Called on the thread that met the error: it must be quick.
    pub on_error: Option<OnError>,
    /// Called after each push that is committed, outside the writer. Its future is run by `wait_until`; an error goes
    /// to `on_error`.
    pub on_pushed: Option<OnPushed>,
    /// Hears of every answered request.
    pub on_metric: Option<OnMetric>,
    /// Hears of every round of upkeep that is over: what expired, how far the change log was compacted.
    pub on_maintained: Option<OnMaintained>,
    /// Runs the futures of `on_pushed`; without it they run on the current tokio runtime.
    pub wait_until: Option<WaitUntil>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("on_error", &self.on_error.is_some())
            .field("on_pushed", &self.on_pushed.is_some())
            .field("on_metric", &self.on_metric.is_some())
            .field("on_maintained", &self.on_maintained.is_some())
            .field("wait_until", &self.wait_until.is_some())
            .finish()
    }
}

impl Hooks {
    /// Tells `on_maintained`.
    pub(crate) fn maintained(&self, done: &Maintained) {
        match &self.on_maintained {
            Some(hook) => hook(done),
            None => tracing::debug!(?done, "a round of upkeep is over"),
        }
    }

    /// Tells `on_error`, and the log when nobody listens.
    pub(crate) fn report(&self, error: &ServerError) {
        match &self.on_error {
            Some(hook) => hook(error),
            None => tracing::warn!(kind = ?error.kind, error = ?error.error, client = ?error.client_id, "server error"),
        }
    }
}
