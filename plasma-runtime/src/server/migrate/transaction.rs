//! Transactions that change tables.

use crate::error::{Error, ErrorKind, Result};
use crate::store::SqlExecutor;
use crate::value::{Kind, Value};

/// A transaction under way.
#[must_use]
pub(super) struct Begun {
    /// Foreign keys are enforced again when it is over.
    enforces_keys: bool,
}

/// Begins to write. With `frees_keys` foreign keys are not enforced inside.
pub(super) async fn begin(db: &mut dyn SqlExecutor, frees_keys: bool) -> Result<Begun> {
    let mut begun = Begun { enforces_keys: false };
    if frees_keys {
        let on = db.query("PRAGMA foreign_keys", &[], &[Kind::Int]).await?;
        begun.enforces_keys = on.first().is_some_and(|row| row[0] == Value::Int(1));
        if begun.enforces_keys {
            // It does nothing inside a transaction.
            db.batch("PRAGMA foreign_keys = OFF").await?;
        }
    }
    let started = db.batch("BEGIN IMMEDIATE").await;
    match started {
        Ok(()) => Ok(begun),
        Err(error) => end(db, begun, Err(error)).await,
    }
}

/// Commits what went well and takes back what did not.
pub(super) async fn end<T>(db: &mut dyn SqlExecutor, begun: Begun, mut done: Result<T>) -> Result<T> {
    if done.is_ok()
        && let Err(error) = db.batch("COMMIT").await
    {
        done = Err(error);
    }
    if done.is_err() {
        cancel(db, begun).await?;
        return done;
    }
    enforce_keys(db, begun).await?;
    done
}

/// Takes everything back.
pub(super) async fn cancel(db: &mut dyn SqlExecutor, begun: Begun) -> Result<()> {
    // Some failures have done so already; a failed commit may leave the transaction open.
    if db.in_transaction() {
        db.batch("ROLLBACK").await?;
    }
    enforce_keys(db, begun).await
}

async fn enforce_keys(db: &mut dyn SqlExecutor, begun: Begun) -> Result<()> {
    if begun.enforces_keys {
        // A connection that no longer enforces them must not be used.
        db.batch("PRAGMA foreign_keys = ON").await?;
    }
    Ok(())
}

/// Whether another connection holds the lock: waiting helps.
pub(super) fn is_busy(error: &Error) -> bool {
    #[cfg(feature = "sqlite")]
    if crate::store::sqlite::error::is_busy(error) {
        return true;
    }
    error.kind() == ErrorKind::Fault
}
