//! Which tables have changed since a position of the log.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::protocol::cookie::Mark;
use crate::query::lower::Dialect;
use crate::server::pull::log;
use crate::store::SqlExecutor;
use crate::value::{Kind, Value};

/// The end of the log at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    version: u64,
    mark: Mark,
}

/// What a step has to run again.
#[derive(Debug)]
pub(super) enum Changed {
    /// What reads one of these tables.
    Tables(BTreeSet<String>),
    /// Everything: nobody knows what happened since.
    All,
}

impl Changed {
    pub(super) fn concerns(&self, tables: &[&'static str]) -> bool {
        match self {
            Changed::All => true,
            Changed::Tables(changed) => tables.iter().any(|table| changed.contains(*table)),
        }
    }
}

/// What has changed since `before`, and where the log ends now. In a transaction.
///
/// All when the log no longer tells: the position was compacted away, or the database was restored from a backup.
pub(super) async fn since(db: &mut dyn SqlExecutor, before: Option<Place>) -> Result<(Changed, Place)> {
    let head = log::head(db).await?;
    let now = Place { version: head.version, mark: head.mark };
    let Some(before) = before else { return Ok((Changed::All, now)) };
    let bound = crate::server::pull::compaction_bound(db).await?;
    let known = log::marks(db, [before.version; 4]).await?.get(&before.version) == Some(&before.mark);
    if !known || before.version < bound || before.version > now.version {
        return Ok((Changed::All, now));
    }
    // On Postgres the snapshot may show what has no position yet: that is new until it has one.
    let sql = match db.dialect() {
        Dialect::Sqlite => "SELECT DISTINCT table_name FROM _plasma_changes WHERE row_version > ? AND row_version <= ?",
        Dialect::Postgres => {
            "SELECT e.table_name FROM _plasma_commits c JOIN _plasma_changes e ON e.unit = c.unit \
             WHERE c.row_version > ? AND c.row_version <= ? UNION \
             SELECT e.table_name FROM _plasma_pending() p JOIN _plasma_changes e ON e.unit = p.unit"
        }
    };
    let params = [log::to_value(before.version), log::to_value(now.version)];
    let rows = db.query(sql, &params, &[Kind::Text]).await?;
    let tables = rows.into_iter().flatten().filter_map(|value| match value {
        Value::Text(table) => Some(table),
        _ => None,
    });
    Ok((Changed::Tables(tables.collect()), now))
}
