//! Connections to read on: as many as there are readers at once, each used on a blocking thread.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::super::database::BlockingDatabase;
use crate::error::{Error, ErrorKind, Result};
use crate::future::{BoxFuture, poll_once};
use crate::server::Writer;
use crate::store::SqlExecutor;

/// The pool. Without connections of its own it reads on the writer's.
pub(super) struct Readers {
    database: Box<dyn BlockingDatabase>,
    /// Before the writer, because fields are dropped in their order: SQLite empties the write-ahead log when the last
    /// connection is closed, and one that only reads cannot.
    idle: Arc<Mutex<Vec<Box<dyn SqlExecutor>>>>,
    writer: Arc<Writer>,
    permits: Arc<Semaphore>,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").field("free", &self.permits.available_permits()).finish_non_exhaustive()
    }
}

impl Readers {
    pub(super) fn new(database: Box<dyn BlockingDatabase>, writer: Arc<Writer>, most: usize) -> Self {
        Readers { database, idle: Arc::default(), writer, permits: Arc::new(Semaphore::new(most.max(1))) }
    }

    /// Runs `read` on a connection, on a thread that may block.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when no connection can be opened, [`Closed`](ErrorKind::Closed) when the server
    /// is, [`Internal`](ErrorKind::Internal) when `read` panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl for<'a> FnOnce(&'a mut dyn SqlExecutor) -> BoxFuture<'a, T> + Send + 'static,
    ) -> Result<T> {
        let read = |db: &mut dyn SqlExecutor| poll_once(read(db));
        let closed = |_| Error::new(ErrorKind::Closed, "the server is closed");
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(closed)?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => Some(connection),
            None => self.database.reader()?,
        };
        let Some(mut connection) = connection else { return self.writer.visit(read).await?.ok_or_else(not_ready) };
        let back = Arc::clone(&self.idle);
        let work = move || {
            let answer = read(&mut *connection);
            // A connection inside a transaction (its read failed half-way) is not used again.
            if !connection.in_transaction() {
                back.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            }
            drop(permit);
            answer
        };
        let answer = tokio::task::spawn_blocking(work).await;
        answer.map_err(|e| Error::internal("a read panicked").with_source(e))?.ok_or_else(not_ready)
    }
}

fn not_ready() -> Error {
    Error::internal("the database's futures are not ready at once")
}
