//! How mutations ended: kept in the store until the application dismisses them.

use uuid::Uuid;

use crate::protocol::MutationError;

/// How one mutation ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The mutation's key.
    pub key: Uuid,
    /// Its id when it ended.
    pub id: u64,
    /// Wire name of the mutator.
    pub name: String,
    /// The arguments as JSON, to try again with; kept unless the mutation was applied.
    pub args: Option<String>,
    /// When it was made, unix ms by the client's clock.
    pub timestamp_ms: i64,
    /// How it ended.
    pub status: OutcomeStatus,
    /// Why, when it was rejected.
    pub error: Option<MutationError>,
    /// When the client learned it, unix ms.
    pub at_ms: i64,
}

/// The ends of a mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutcomeStatus {
    /// It ran on the server and its writes are committed.
    Applied,
    /// It failed by its own word and wrote nothing.
    Rejected,
    /// It was discarded before it was sent, and never ran.
    Discarded,
    /// It was larger than the server takes, and never ran.
    TooLarge,
    /// It was sent, but so long ago that the server no longer knows its key: it may have run or not.
    Unknown,
    /// The server had acknowledged it and lost it (it was restored from a backup, or failed over).
    LostByServer,
}
