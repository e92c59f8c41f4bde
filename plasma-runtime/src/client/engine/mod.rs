//! The client engine: a state machine over a store. Events in, actions out; see [`event`](super::event).

mod options;

pub use options::{Durability, EngineOptions, OnMismatch, RetryPolicy, SignOut};

use std::sync::Arc;

use uuid::Uuid;

use super::event::{Action, Event, Inputs};
use super::outcomes::Outcome;
use super::status::Status;
use crate::error::{Error, Result};
use crate::future::BoxFuture;
use crate::mutate::{ErasedCtx, Executor, TxMeta};
use crate::schema::Definition;
use crate::store::SqlConnection;

/// A mutation that was applied locally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mutated {
    /// Its key, under which receipts and outcomes know it.
    pub key: Uuid,
    /// Its id in the outbox; none when it wrote only `local_only` tables and is not queued.
    pub id: Option<u64>,
}

/// A local write: see [`Engine::local`].
pub type LocalRun<'r> = Box<dyn for<'t> FnOnce(&'t mut dyn Executor, &'t TxMeta) -> BoxFuture<'t, Result<()>> + 'r>;

/// A mutation in the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedMutation {
    /// Its key.
    pub key: Uuid,
    /// Its id.
    pub id: u64,
    /// Wire name of the mutator.
    pub name: String,
    /// The arguments, as JSON.
    pub args: String,
    /// When it was made, unix ms.
    pub timestamp_ms: i64,
    /// When it was first sent, unix ms; none when it never was.
    pub sent_ms: Option<i64>,
    /// The server has decided; its effect waits for the pull that covers it.
    pub acknowledged: bool,
    /// Its last replay failed locally: it has no optimistic effect, the server decides.
    pub failing: Option<String>,
}

/// What a reset loses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Losses {
    /// Mutations the server has not acknowledged.
    pub mutations: Vec<QueuedMutation>,
    /// Outcomes nobody has dismissed, applied ones left out.
    pub outcomes: Vec<Outcome>,
}

/// The client engine.
#[derive(Debug)]
pub struct Engine {
    #[allow(dead_code)]
    options: EngineOptions,
}

fn unfinished<T>() -> Result<T> {
    Err(Error::internal("the client engine is not built yet"))
}

impl Engine {
    /// Opens a store: makes or checks its tables, carries a changed schema over.
    ///
    /// # Errors
    /// [`WrongStore`](crate::ErrorKind::WrongStore) when the store belongs to another group or application, or was
    /// written by a newer version; [`Storage`](crate::ErrorKind::Storage).
    pub fn open(
        _store: &mut dyn SqlConnection,
        _definition: Arc<Definition>,
        _options: EngineOptions,
        _inputs: &mut Inputs<'_>,
    ) -> Result<(Engine, Vec<Action>)> {
        unfinished()
    }

    /// Runs a mutation optimistically and queues it, in one transaction. `args` is JSON.
    ///
    /// # Errors
    /// The mutator's own error (nothing is queued then); [`TooLarge`](crate::ErrorKind::TooLarge) when no push could
    /// carry it; [`Storage`](crate::ErrorKind::Storage).
    pub fn mutate(
        &mut self,
        _store: &mut dyn SqlConnection,
        _ctx: &ErasedCtx,
        _name: &str,
        _args: &str,
        _inputs: &mut Inputs<'_>,
    ) -> Result<(Mutated, Vec<Action>)> {
        unfinished()
    }

    /// Writes `local_only` tables, outside of any mutation.
    ///
    /// # Errors
    /// Whatever `run` returns; [`Validation`](crate::ErrorKind::Validation) when it writes a table that syncs.
    pub fn local(
        &mut self,
        _store: &mut dyn SqlConnection,
        _ctx: &ErasedCtx,
        _run: LocalRun<'_>,
        _inputs: &mut Inputs<'_>,
    ) -> Result<Vec<Action>> {
        unfinished()
    }

    /// Takes an event. A failure of the store is reported as an action and tried again, not returned.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) after a sign-out.
    pub fn handle(
        &mut self,
        _store: &mut dyn SqlConnection,
        _ctx: &ErasedCtx,
        _event: Event,
        _inputs: &mut Inputs<'_>,
    ) -> Result<Vec<Action>> {
        unfinished()
    }

    /// Takes a mutation back that was never sent: its effect is undone and the server is told to skip its id.
    ///
    /// # Errors
    /// [`AlreadySent`](crate::ErrorKind::AlreadySent); [`NotFound`](crate::ErrorKind::NotFound) when it is not queued.
    pub fn discard(
        &mut self,
        _store: &mut dyn SqlConnection,
        _ctx: &ErasedCtx,
        _key: Uuid,
        _inputs: &mut Inputs<'_>,
    ) -> Result<Vec<Action>> {
        unfinished()
    }

    /// Runs the pending mutations anew with another context.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage).
    pub fn set_ctx(
        &mut self,
        _store: &mut dyn SqlConnection,
        _ctx: &ErasedCtx,
        _inputs: &mut Inputs<'_>,
    ) -> Result<Vec<Action>> {
        unfinished()
    }

    /// What [`reset_local_state`](Self::reset_local_state) would lose.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage).
    pub fn losses(&self, _store: &mut dyn SqlConnection) -> Result<Losses> {
        unfinished()
    }

    /// Drops the synced rows, the outbox and the outcomes, and takes a new client id. Returns what was lost.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage).
    pub fn reset_local_state(
        &mut self,
        _store: &mut dyn SqlConnection,
        _ctx: &ErasedCtx,
        _inputs: &mut Inputs<'_>,
    ) -> Result<(Losses, Vec<Action>)> {
        unfinished()
    }

    /// Leaves the store. The engine is closed afterwards.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage).
    pub fn sign_out(
        &mut self,
        _store: &mut dyn SqlConnection,
        _how: SignOut,
        _inputs: &mut Inputs<'_>,
    ) -> Result<Vec<Action>> {
        unfinished()
    }

    /// The state of the loop. `now` is unix ms.
    pub fn status(&self, _now: i64) -> Status {
        Status {
            online: true,
            started: false,
            pending: 0,
            unobserved: 0,
            oldest_pending_ms: None,
            uploading: false,
            downloading: false,
            last_pull_ms: None,
            last_error: None,
            stuck: None,
        }
    }

    /// How mutations ended, oldest first; dismissed ones left out.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage).
    pub fn outcomes(&self, _store: &mut dyn SqlConnection) -> Result<Vec<Outcome>> {
        unfinished()
    }

    /// How one mutation ended; none while it is queued, after it was dismissed, or when it was never known.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage).
    pub fn outcome(&self, _store: &mut dyn SqlConnection, _key: Uuid) -> Result<Option<Outcome>> {
        unfinished()
    }

    /// Forgets an outcome; false when there was none.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage).
    pub fn dismiss(&mut self, _store: &mut dyn SqlConnection, _key: Uuid) -> Result<bool> {
        unfinished()
    }

    /// The mutations in the outbox, in order.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage).
    pub fn outbox(&self, _store: &mut dyn SqlConnection) -> Result<Vec<QueuedMutation>> {
        unfinished()
    }

    /// The store's client id. It changes when the store was copied, expired, or the server lost its history.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage).
    pub fn client_id(&self, _store: &mut dyn SqlConnection) -> Result<String> {
        unfinished()
    }
}
