//! What a compaction does to the log, in the words of each database.

use std::collections::BTreeMap;

use super::{postgres, sqlite};
use crate::error::Result;
use crate::query::lower::Dialect;
use crate::server::advisory;
use crate::server::ddl::first_int;
use crate::store::SqlExecutor;
use crate::value::{Kind, Value};

/// What one step folded.
#[derive(Debug, Default)]
pub(super) struct Folded {
    pub(super) scanned: u64,
    pub(super) removed: u64,
    /// Entries of which version and mark stayed.
    pub(super) marked: u64,
    /// How many more positions the part of the log below the bound holds now than before.
    pub(super) more: i64,
    /// Where it stands now; none when there was nothing left to do.
    pub(super) stands: Option<Stands>,
    /// Per table, the newest position at which an entry went.
    pub(super) lost: BTreeMap<String, u64>,
}

/// How far folding has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stands {
    /// All positions up to this one are done.
    pub(super) done: u64,
    /// The entries of the next one up to this number are; 0: none.
    pub(super) within: u64,
}

/// What one step dropped.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    pub(super) entries: u64,
    pub(super) positions: u64,
}

impl Dropped {
    pub(super) fn is_nothing(&self) -> bool {
        self.entries == 0 && self.positions == 0
    }
}

pub(super) fn version(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

pub(super) fn unsigned(value: Option<i64>) -> Option<u64> {
    value.and_then(|value| u64::try_from(value).ok())
}

/// The table whose rows are positions, with their times.
fn positions(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "_plasma_changes",
        Dialect::Postgres => "_plasma_commits",
    }
}

/// Begins the transaction of a step. On Postgres the processes take turns, step by step.
pub(in crate::server) async fn begin(db: &mut dyn SqlExecutor) -> Result<()> {
    let begun = match db.dialect() {
        Dialect::Sqlite => db.batch("BEGIN IMMEDIATE").await,
        Dialect::Postgres => {
            let turn = format!("SELECT pg_advisory_xact_lock({}, {})", advisory::UPKEEP, advisory::THIS_LOG);
            db.batch(&format!("BEGIN ISOLATION LEVEL READ COMMITTED; {turn}")).await
        }
    };
    // It may have begun without getting its turn.
    end_failed(db, begun).await
}

/// Commits a step that went well, and takes back one that did not.
pub(in crate::server) async fn end<T>(db: &mut dyn SqlExecutor, mut done: Result<T>) -> Result<T> {
    if done.is_ok()
        && let Err(error) = db.batch("COMMIT").await
    {
        done = Err(error);
    }
    // A failed commit may leave the transaction open.
    end_failed(db, done).await
}

async fn end_failed<T>(db: &mut dyn SqlExecutor, done: Result<T>) -> Result<T> {
    if done.is_err() && db.in_transaction() {
        // Why the work failed says more than why it cannot be taken back.
        let _lost = db.batch("ROLLBACK").await;
    }
    done
}

/// The newest position at or below `until`.
pub(super) async fn position_until(db: &mut dyn SqlExecutor, until: u64) -> Result<Option<u64>> {
    let table = positions(db.dialect());
    let sql = format!("SELECT row_version FROM {table} WHERE row_version <= ?1 ORDER BY row_version DESC LIMIT 1");
    Ok(unsigned(first_int(&db.query(&sql, &[version(until)], &[Kind::BigInt]).await?)))
}

/// The newest position above `after` and up to `until` that was written at or before this time; `after` when there is
/// none.
///
/// Positions and times rise together but for a clock that was set back, so a search by halves finds it, or one that does
/// as well.
pub(super) async fn newest_until(db: &mut dyn SqlExecutor, time_ms: i64, after: u64, until: u64) -> Result<u64> {
    let table = positions(db.dialect());
    let sql = format!(
        "SELECT row_version, created_at FROM {table} WHERE row_version > ?1 AND row_version <= ?2 \
         ORDER BY row_version LIMIT 1"
    );
    let (mut old, mut young) = (after, until + 1);
    while old + 1 < young {
        let middle = old + (young - old) / 2;
        let rows = db.query(&sql, &[version(middle - 1), version(young - 1)], &[Kind::BigInt, Kind::BigInt]).await?;
        match rows.first().map(|row| (unsigned(row[0].as_int()), row[1].as_int())) {
            Some((Some(at), Some(written))) if written <= time_ms => old = at,
            // No position in the upper half is old enough, or there is none.
            _ => young = middle,
        }
    }
    Ok(old)
}

/// The position with so many below it.
pub(super) async fn nth_from_below(db: &mut dyn SqlExecutor, positions: usize) -> Result<Option<u64>> {
    let table = self::positions(db.dialect());
    let sql =
        format!("SELECT row_version FROM {table} WHERE row_version IS NOT NULL ORDER BY row_version LIMIT 1 OFFSET ?1");
    Ok(unsigned(first_int(&db.query(&sql, &[Value::Int(positions as i64)], &[Kind::BigInt]).await?)))
}

/// Removes positions below `floor` with all that is theirs, the oldest first: at most so many, with at most so many entries.
pub(super) async fn drop_below(db: &mut dyn SqlExecutor, floor: u64, most: usize) -> Result<Dropped> {
    match db.dialect() {
        Dialect::Sqlite => sqlite::drop_below(db, floor, most).await,
        Dialect::Postgres => postgres::drop_below(db, floor, most).await,
    }
}

/// Goes through what comes after `from` and lies below `bound`: at most so many entries, and so many positions. `open` lists
/// the tables to fold, as JSON.
pub(super) async fn fold(
    db: &mut dyn SqlExecutor,
    from: Stands,
    bound: u64,
    open: &Value,
    most: usize,
) -> Result<Folded> {
    match db.dialect() {
        Dialect::Sqlite => sqlite::fold(db, from.done, bound, open, most).await,
        Dialect::Postgres => postgres::fold(db, from, bound, open, most).await,
    }
}
