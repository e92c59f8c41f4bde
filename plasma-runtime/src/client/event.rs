//! What goes into the client engine and what comes out of it.

use uuid::Uuid;

use crate::error::Error;
pub use crate::inputs::{Entropy, Inputs};
use crate::protocol::{WireRequest, WireResponse};

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The sync loop starts (or starts again after a stop).
    Start,
    /// The sync loop stops: nothing is sent until the next start. Answers under way are still taken.
    Stop,
    /// The moment asked for by [`Action::WakeAt`] has come, or passed.
    Tick,
    /// Offline mode is switched on or off.
    SetOffline(bool),
    /// The server says that there is something to pull.
    Poke,
    /// Push now, whatever the schedule says (works while stopped, not while offline).
    PushNow,
    /// Pull now, whatever the schedule says (works while stopped, not while offline).
    PullNow,
    /// Another process wrote the store (`PRAGMA data_version` moved).
    ForeignChange,
    /// A request was answered, or could not be.
    Response {
        /// The request, from [`Action::Send`].
        request: u64,
        /// The answer.
        outcome: Result<WireResponse, SendFailure>,
    },
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendFailure {
    /// For people.
    pub message: String,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// Send a request; answer with [`Event::Response`]. At most one push and one pull are under way.
    Send {
        /// Names the request.
        request: u64,
        /// The request, without authorization.
        wire: WireRequest,
        /// Ask the application for fresh credentials first: the last ones were refused.
        refresh_auth: bool,
    },
    /// The same for a request whose answer, when it is 200, is a file: its body goes to `to`, and comes back empty. Only
    /// with [`EngineOptions::image`](crate::client::EngineOptions::image), and in the place of a pull.
    Download {
        /// Names the request.
        request: u64,
        /// The request, without authorization.
        wire: WireRequest,
        /// As of [`Action::Send`].
        refresh_auth: bool,
        /// Where the body goes.
        to: std::path::PathBuf,
    },
    /// Call again with [`Event::Tick`] at this time (unix ms). The last one counts.
    WakeAt(i64),
    /// Rows of the visible tables changed, in one transaction that is committed.
    Changed(Batch),
    /// A mutation went on.
    Progress {
        /// The mutation's key.
        key: Uuid,
        /// Where it is now.
        progress: Progress,
    },
    /// The status changed: read it again.
    StatusChanged,
    /// The list of outcomes changed: read it again.
    OutcomesChanged,
    /// Something went wrong that the application may want to know.
    Report(ClientError),
}

/// Where a mutation is.
#[derive(Debug)]
pub enum Progress {
    /// Its local effect survives what the durability promises.
    Durable,
    /// The server has decided.
    Acknowledged(Result<(), Error>),
    /// Its canonical effect is in the local base.
    Observed,
}

pub use crate::live::RowChange;

/// The net changes of one transaction, folded per row; rows that end as they began are left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Local version: one more for every batch.
    pub version: u64,
    /// The changes, in order of table and id.
    pub changes: Vec<RowChange>,
    /// Everything may have changed (another process wrote, a reset): re-run all queries.
    pub all: bool,
}

/// An error the application hears of through `on_error`.
#[derive(Debug)]
pub struct ClientError {
    /// Which part of the work failed.
    pub kind: ClientErrorKind,
    /// What went wrong.
    pub error: Error,
    /// The mutation it concerns.
    pub key: Option<Uuid>,
}

/// Which part of the client's work failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// No answer, or one that is not the protocol's.
    Network,
    /// A push was refused.
    PushHttp,
    /// A pull was refused.
    PullHttp,
    /// A pending mutation failed when it was replayed over a newer base; the server decides.
    RebaseReplay,
    /// Client and server have different schemas.
    SchemaMismatch,
    /// The server rejected a mutation.
    MutationRejected,
    /// The canonical run wrote something else than the optimistic run, with nothing to explain it.
    Drift,
    /// The local store failed.
    Storage,
    /// A function of the application that was called back panicked.
    Callback,
}
