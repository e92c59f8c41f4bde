//! Transactions that change tables.

use crate::error::{Error, ErrorKind, Result};
use crate::query::lower::Dialect;
use crate::server::advisory;
use crate::store::SqlExecutor;
use crate::store::ddl::quote_text;
use crate::value::{Kind, Value};

/// A transaction under way.
#[must_use]
pub(super) struct Begun {
    /// Foreign keys are enforced again when it is over.
    enforces_keys: bool,
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To make tables where there are none, or to write rows.
    Rows,
    /// To change tables that servers work on: they are waited for, and wait. On SQLite foreign keys are not enforced inside.
    Tables,
}

/// Taken by whoever migrates, or makes tables. The second number tells Postgres schemas apart: by its name, as there may be
/// no table yet.
fn alone() -> String {
    format!("{}, hashtext(current_schema())", advisory::MIGRATION)
}

/// How often a lock is asked for; from one time to the next a second goes by at most.
const TRIES: u32 = 1_200;

/// Begins to write.
pub(super) async fn begin(db: &mut dyn SqlExecutor, purpose: Purpose) -> Result<Begun> {
    if db.dialect() == Dialect::Postgres {
        return begin_postgres(db, purpose).await;
    }
    let mut begun = Begun { enforces_keys: false };
    if purpose == Purpose::Tables {
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

/// Asks for its locks again and again: a statement that waits for one would keep an index that somebody makes
/// concurrently from being ready, and everybody behind it waiting.
async fn begin_postgres(db: &mut dyn SqlExecutor, purpose: Purpose) -> Result<Begun> {
    let mut tries = 0;
    loop {
        db.batch("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        let locked = lock_postgres(db, purpose).await;
        if let Ok(true) = locked {
            return Ok(Begun { enforces_keys: false });
        }
        db.batch("ROLLBACK").await?;
        tries += 1;
        match locked {
            Err(error) if !is_busy(&error) || tries == TRIES => return Err(error),
            Ok(_) if tries == TRIES => return Err(held()),
            Ok(_) => pause(db).await?,
            // Whoever came meanwhile waited behind it: as long as that, they have their turn.
            Err(_) => rest(db).await?,
        }
    }
}

async fn lock_postgres(db: &mut dyn SqlExecutor, purpose: Purpose) -> Result<bool> {
    if !ask(db, &format!("SELECT pg_try_advisory_xact_lock({})", alone())).await? {
        return Ok(false);
    }
    db.batch("SET LOCAL lock_timeout = '500ms'; SET LOCAL statement_timeout = 0").await?;
    if purpose == Purpose::Tables {
        // Every push holds it from its beginning to its end.
        db.batch("LOCK TABLE _plasma_meta IN ACCESS EXCLUSIVE MODE").await?;
    }
    Ok(true)
}

/// Begins a look at the tables on Postgres, see [`keep_tables`].
pub(super) async fn begin_look(db: &mut dyn SqlExecutor) -> Result<()> {
    db.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = '500ms'").await
}

/// The tables stay what they are until the end of the transaction; the error [`is_busy`] when somebody is changing them.
pub(super) async fn keep_tables(db: &mut dyn SqlExecutor) -> Result<()> {
    db.batch("LOCK TABLE _plasma_meta IN ACCESS SHARE MODE").await
}

/// Whether somebody migrates, or makes indexes.
pub(super) async fn is_taken(db: &mut dyn SqlExecutor) -> Result<bool> {
    ask(db, &format!("SELECT NOT pg_try_advisory_xact_lock({})", alone())).await
}

fn held() -> Error {
    Error::new(ErrorKind::Fault, "another process is migrating the database for too long")
}

async fn ask(db: &mut dyn SqlExecutor, sql: &str) -> Result<bool> {
    let rows = db.query(sql, &[], &[Kind::Bool]).await?;
    Ok(rows.first().is_some_and(|row| row[0] == Value::Bool(true)))
}

async fn pause(db: &mut dyn SqlExecutor) -> Result<()> {
    db.query("SELECT CAST(pg_sleep(0.05) AS text)", &[], &[Kind::Text]).await.map(drop)
}

/// As long as a lock is waited for at most.
pub(super) async fn rest(db: &mut dyn SqlExecutor) -> Result<()> {
    for _ in 0..10 {
        pause(db).await?;
    }
    Ok(())
}

/// Other migrations are kept out.
#[must_use]
pub(super) struct Locked {
    /// The connection's own timeouts.
    timeouts: [String; 2],
}

/// Keeps other migrations out, beyond transactions: on Postgres, until [`unlock`] or the end of the connection. Statements
/// may take as long as they need meanwhile.
pub(super) async fn lock(db: &mut dyn SqlExecutor) -> Result<Locked> {
    const TIMEOUTS: &str = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')";
    for _ in 0..TRIES {
        if ask(db, &format!("SELECT pg_try_advisory_lock({})", alone())).await? {
            let found = db.query(TIMEOUTS, &[], &[Kind::Text; 2]).await?;
            let text = |at: usize| found.first().and_then(|row| row[at].as_text()).unwrap_or("0").to_owned();
            let timeouts = [text(0), text(1)];
            db.batch("SET statement_timeout = 0; SET lock_timeout = 0").await?;
            return Ok(Locked { timeouts });
        }
        pause(db).await?;
    }
    Err(held())
}

/// Lets them in.
pub(super) async fn unlock(db: &mut dyn SqlExecutor, locked: Locked) -> Result<()> {
    let [statement, lock] = locked.timeouts.map(|timeout| quote_text(&timeout));
    db.batch(&format!("SET statement_timeout = {statement}; SET lock_timeout = {lock}")).await?;
    ask(db, &format!("SELECT pg_advisory_unlock({})", alone())).await.map(drop)
}

/// Runs a statement that takes a table for a moment, in a transaction of its own. It waits for the table half a second at a
/// time.
pub(super) async fn short(db: &mut dyn SqlExecutor, sql: &str) -> Result<()> {
    let mut tries = 0;
    loop {
        db.batch("BEGIN; SET LOCAL lock_timeout = '500ms'").await?;
        let done = db.batch(sql).await;
        match end(db, Begun { enforces_keys: false }, done).await {
            Err(error) if is_busy(&error) && tries < TRIES => tries += 1,
            done => return done,
        }
        rest(db).await?;
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

/// Whether another connection holds a lock: waiting helps.
pub(super) fn is_busy(error: &Error) -> bool {
    #[cfg(feature = "sqlite")]
    if crate::store::sqlite::error::is_busy(error) {
        return true;
    }
    #[cfg(feature = "postgres")]
    if crate::store::postgres::error::is_locked(error) || crate::store::postgres::error::is_retryable(error) {
        return true;
    }
    error.kind() == ErrorKind::Fault
}
