//! The sequencer: what was committed on Postgres gets its position in the log.

use super::ServerEngine;
use super::ddl::first_int;
use crate::error::Result;
use crate::query::lower::Dialect;
use crate::store::SqlExecutor;
use crate::value::Kind;

/// Units that one run of the sequencer looks at, at most: those of them that come before all others are placed, which are
/// nearly all.
pub(super) const ONE_RUN: i64 = 100_000;

impl ServerEngine {
    /// Gives every unit that is committed and has no position the next ones; returns whether there were any.
    ///
    /// Run after commits, and now and then for what other programs commit; a pull runs it first. Many servers may run it
    /// at once, and one that is lost in it only delays: the next run does the same. Where positions are given by the
    /// writes themselves (SQLite) there is nothing to do. `db` must not be in a transaction.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the database fails.
    pub async fn sequence(&self, db: &mut dyn SqlExecutor) -> Result<bool> {
        match db.dialect() {
            Dialect::Sqlite => Ok(false),
            Dialect::Postgres => {
                let mut any = false;
                loop {
                    let given = db.query("SELECT _plasma_sequence()", &[], &[Kind::BigInt]).await?;
                    let given = first_int(&given).unwrap_or_default();
                    any |= given > 0;
                    // One run does not place more than a statement has the time for.
                    if given < ONE_RUN / 2 {
                        return Ok(any);
                    }
                }
            }
        }
    }
}
