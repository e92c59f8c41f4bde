//! What the application holds of a mutation it issued.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use tokio::sync::watch;
use uuid::Uuid;

use super::runtime::watch::Watch;
use crate::error::{Error, ErrorKind, Result};

/// Where a mutation is. It only ever goes down this list.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ReceiptState {
    /// Applied locally; the commit follows within 20 ms ([`Durability::WriteBehind`](super::Durability::WriteBehind)).
    Applied,
    /// Its local effect and its place in the outbox survive what the client's durability promises.
    Durable,
    /// The server ran it and committed its effect.
    Acknowledged,
    /// Its canonical effect is in the local rows: nothing of it is provisional any more. The end.
    Observed,
    /// It will never have an effect: the server rejected it, or it was discarded, too large or lost; the error's code
    /// says which. The end.
    Rejected(Arc<Error>),
    /// It is gone from this store and nothing of it was sent: its write-behind group could not be committed, or the
    /// local state was reset. The end.
    Lost(Arc<Error>),
}

impl ReceiptState {
    /// Whether nothing follows.
    pub fn is_last(&self) -> bool {
        self.rank() == 3
    }

    pub(crate) fn rank(&self) -> u8 {
        match self {
            ReceiptState::Applied => 0,
            ReceiptState::Durable => 1,
            ReceiptState::Acknowledged => 2,
            ReceiptState::Observed | ReceiptState::Rejected(_) | ReceiptState::Lost(_) => 3,
        }
    }

    /// Whether this is `goal` or further; the error when the goal is out of reach.
    fn reached(&self, goal: &ReceiptState) -> Option<Result<()>> {
        match self {
            // What the server rejected was durable here before.
            ReceiptState::Rejected(error) if goal.rank() > 1 => Some(Err(error.duplicate())),
            ReceiptState::Lost(error) => Some(Err(error.duplicate())),
            _ if self.rank() >= goal.rank() => Some(Ok(())),
            _ => None,
        }
    }
}

/// The receipt of a mutation. Dropping it changes nothing: the mutation goes its way.
///
/// After a restart [`Client::receipt`](super::Client::receipt) gives it back by its key.
pub struct Receipt<M = ()> {
    key: Uuid,
    id: Option<u64>,
    state: watch::Receiver<ReceiptState>,
    mutation: PhantomData<fn() -> M>,
}

impl<M> Receipt<M> {
    pub(crate) fn new(key: Uuid, id: Option<u64>, state: watch::Receiver<ReceiptState>) -> Self {
        Receipt { key, id, state, mutation: PhantomData }
    }

    /// The mutation's key: it never changes, across restarts and re-sends. Outcomes carry it.
    pub fn key(&self) -> Uuid {
        self.key
    }

    /// Its place in the outbox when it was issued; none when it wrote only `local_only` tables and is not queued.
    pub fn id(&self) -> Option<u64> {
        self.id
    }

    /// Waits until the mutation survives what the client's durability promises. At once, unless it is `WriteBehind`.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when the store failed and the mutation is lost;
    /// [`Closed`](ErrorKind::Closed) when the client is gone before.
    pub async fn durable(&self) -> Result<()> {
        self.wait(ReceiptState::Durable).await
    }

    /// Waits until the server has decided. Offline that may be days; put a limit around it if you need one.
    ///
    /// # Errors
    /// Why the mutation was rejected: the code and data its mutator gave; [`Closed`](ErrorKind::Closed) when the client
    /// is gone before.
    pub async fn acknowledged(&self) -> Result<()> {
        self.wait(ReceiptState::Acknowledged).await
    }

    /// Waits until the canonical effect is in the local rows.
    ///
    /// # Errors
    /// As [`acknowledged`](Self::acknowledged).
    pub async fn observed(&self) -> Result<()> {
        self.wait(ReceiptState::Observed).await
    }

    /// Where the mutation is, to look at and to wait for.
    pub fn state(&self) -> Watch<ReceiptState> {
        Watch::new(self.state.clone())
    }

    async fn wait(&self, goal: ReceiptState) -> Result<()> {
        let mut state = self.state.clone();
        match state.wait_for(|state| state.reached(&goal).is_some()).await {
            Ok(state) => state.reached(&goal).unwrap_or(Ok(())),
            Err(_) => Err(Error::new(ErrorKind::Closed, "the client was closed before the mutation got so far")),
        }
    }
}

impl<M> Clone for Receipt<M> {
    fn clone(&self) -> Self {
        Receipt { key: self.key, id: self.id, state: self.state.clone(), mutation: PhantomData }
    }
}

impl<M> fmt::Debug for Receipt<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("key", &self.key)
            .field("id", &self.id)
            .field("state", &*self.state.borrow())
            .finish()
    }
}
