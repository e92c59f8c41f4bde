//! What the application sees of the sync loop: how much is queued, and why the head of the queue is not up yet.

use crate::client::event::ClientErrorKind;

/// The state of a client, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// False in offline mode and while the network fails; true before the first request.
    pub online: bool,
    /// Whether the sync loop runs.
    pub started: bool,
    /// Mutations the server has not decided yet.
    pub pending: u64,
    /// Mutations in the outbox: those of `pending`, and those whose canonical effect was not pulled yet.
    pub unobserved: u64,
    /// When the oldest of `pending` was made, unix ms.
    pub oldest_pending_ms: Option<i64>,
    /// A push is under way.
    pub uploading: bool,
    /// A pull is under way (a held long poll counts).
    pub downloading: bool,
    /// When the last pull reached the server's head, unix ms.
    pub last_pull_ms: Option<i64>,
    /// The last failure since the last success.
    pub last_error: Option<LastError>,
    /// Why the head of the queue is not up yet, or nothing is pulled; none when the loop goes as it should.
    pub stuck: Option<Stuck>,
    /// Mutations that did something else on the server than here, with nothing to explain it, since the client was
    /// opened; none as it should be.
    pub drift: Option<Drift>,
}

/// A mutator is not a function of its arguments and what it reads: see the guide on determinism.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// How many mutations have drifted.
    pub count: u64,
    /// The last of them.
    pub key: uuid::Uuid,
    /// Wire name of its mutator.
    pub name: String,
    /// When it was noticed, unix ms.
    pub at_ms: i64,
}

/// The last failure of the loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// Which part of the work failed.
    pub kind: ClientErrorKind,
    /// The code, as on the wire.
    pub code: String,
    /// For people.
    pub message: String,
    /// When, unix ms.
    pub at_ms: i64,
}

/// Why nothing moves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stuck {
    /// There is no server: the client was opened without one.
    NoServer,
    /// The store has no group yet: the client was opened without one.
    NoGroup,
    /// Offline mode is on.
    Offline,
    /// The loop was not started, or was stopped.
    Stopped,
    /// The network or the server failed; the next attempt is at this time.
    Backoff {
        /// Unix ms.
        until: i64,
    },
    /// The server does not know the caller, with fresh credentials neither; the next attempt is at this time.
    Unauthorized {
        /// Unix ms.
        until: i64,
    },
    /// The server has another schema. The queue is kept and the client keeps asking.
    SchemaMismatch {
        /// The server's fingerprint or version.
        expected: String,
        /// Ours.
        got: String,
    },
    /// The server misses a mutation this store does not have.
    Gap {
        /// The id it waits for.
        expected: u64,
    },
    /// The server is overloaded or limits the rate; the next attempt is at this time.
    Overloaded {
        /// Unix ms.
        until: i64,
    },
    /// The head of the queue is larger than the server takes; smaller batches are tried, then it is skipped.
    TooLarge,
    /// Another process syncs this store.
    NotLeader {
        /// When its lease ends unless it renews it, unix ms.
        until: i64,
    },
    /// The server refuses this client: nothing is sent until the next start, open or upgrade.
    Refused {
        /// The code, such as `client-group-mismatch`.
        code: String,
    },
    /// The local store failed; the next attempt is at this time.
    Storage {
        /// Unix ms.
        until: i64,
    },
}
