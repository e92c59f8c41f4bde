//! Where the work of a running server is done: on one connection that writes and some that read, or on a pool.

mod blocking;
mod patience;
mod pooled;
mod readers;
mod sequencer;
mod upkeep;

use std::sync::Arc;

use tokio::sync::watch;

pub(super) use self::blocking::Blocking;
pub(super) use self::pooled::{Pooled, PooledOptions};
use crate::error::Result;
use crate::future::BoxFuture;
use crate::protocol::PushResponse;
use crate::server::{CompactionOptions, CompactionResult, Poke, PushJob, Refusal, Task};
use crate::store::SqlExecutor;

/// A database at work.
#[derive(Debug)]
pub(in crate::server) enum Backend {
    /// A writer thread, and connections that read on threads that may block.
    Blocking(Blocking),
    /// Connections that all read and write.
    Pooled(Arc<Pooled>),
}

impl Backend {
    /// Runs a push. The answer comes after the commit; whoever stops waiting does not stop the push.
    pub(in crate::server) async fn push(&self, job: PushJob) -> Result<PushResponse, Refusal> {
        match self {
            Backend::Blocking(blocking) => blocking.writer.push(job).await,
            Backend::Pooled(pooled) => pooled.push(job).await,
        }
    }

    /// Runs a task of the server.
    ///
    /// # Errors
    /// [`Fault`](crate::ErrorKind::Fault) when there is too much to do, [`Closed`](crate::ErrorKind::Closed) when the
    /// server is; else what the task failed with.
    pub(in crate::server) async fn task(&self, task: Task) -> Result<()> {
        match self {
            Backend::Blocking(blocking) => blocking.writer.task(task).await,
            Backend::Pooled(pooled) => pooled.task(task).await,
        }
    }

    /// Runs `read` on a connection. It leaves no transaction open.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) or [`Fault`](crate::ErrorKind::Fault) when there is no connection,
    /// [`Closed`](crate::ErrorKind::Closed) when the server is closed.
    pub(in crate::server) async fn read<T: Send + 'static>(
        &self,
        read: impl for<'a> FnOnce(&'a mut dyn SqlExecutor) -> BoxFuture<'a, T> + Send + 'static,
    ) -> Result<T> {
        match self {
            Backend::Blocking(blocking) => blocking.readers.run(read).await,
            Backend::Pooled(pooled) => pooled.read(read).await,
        }
    }

    /// Compacts the change log, in small steps between the work of others.
    ///
    /// # Errors
    /// Those of the database; [`Closed`](crate::ErrorKind::Closed) when the server is closed.
    pub(in crate::server) async fn compact(&self, options: CompactionOptions) -> Result<CompactionResult> {
        match self {
            Backend::Blocking(blocking) => blocking.writer.compact(options).await,
            Backend::Pooled(pooled) => pooled.compact(options).await,
        }
    }

    /// The pokes of this process: the newest is kept, older ones are forgotten.
    pub(in crate::server) fn pokes(&self) -> watch::Receiver<Poke> {
        match self {
            Backend::Blocking(blocking) => blocking.writer.pokes(),
            Backend::Pooled(pooled) => pooled.pokes(),
        }
    }

    /// Takes nothing more; what is taken is still done.
    pub(in crate::server) fn close(&self) {
        match self {
            Backend::Blocking(blocking) => blocking.writer.close(),
            Backend::Pooled(pooled) => pooled.close(),
        }
    }

    /// The writer thread, for tests that keep it busy.
    #[cfg(test)]
    pub(in crate::server) fn writer(&self) -> &Arc<crate::server::Writer> {
        match self {
            Backend::Blocking(blocking) => &blocking.writer,
            Backend::Pooled(_) => panic!("a pool has no writer thread"),
        }
    }
}
