//! Positions that sets of pages under way stand on: the bound must not pass them.
//!
//! A set's start is the head of its first page, so for as long as a lease lasts it follows from the age of the log's
//! entries, in every process, with nothing written. Sets that take longer are noted here page by page; each process
//! writes its lowest position into `_plasma_meta` for the others, now and then.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::Result;
use crate::inputs::Entropy;
use crate::server::ddl::hex;
use crate::store::SqlExecutor;
use crate::value::{Kind, Value};

/// The leases of one process.
#[derive(Debug, Default)]
pub(in crate::server) struct Leases {
    held: Mutex<BTreeMap<u64, i64>>,
    /// Names this process among those on one database.
    name: OnceLock<String>,
}

/// The first part of the keys in `_plasma_meta`; the rest names the process.
const PREFIX: &str = "compaction_lease:";

impl Leases {
    /// Holds the position until then, unix ms.
    pub(in crate::server) fn hold(&self, position: u64, until_ms: i64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let known = held.entry(position).or_insert(until_ms);
        *known = until_ms.max(*known);
    }

    /// The lowest position this process holds, and until when anything is held.
    fn own(&self, now_ms: i64) -> Option<(u64, i64)> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, until| *until > now_ms);
        let lowest = held.keys().next().copied()?;
        Some((lowest, held.values().copied().max()?))
    }

    /// The lowest position that anybody holds.
    pub(super) async fn lowest(&self, db: &mut dyn SqlExecutor, now_ms: i64) -> Result<Option<u64>> {
        const SQL: &str = "SELECT value FROM _plasma_meta WHERE substr(key, 1, 17) = 'compaction_lease:'";
        let mut lowest = self.own(now_ms).map(|(position, _)| position);
        for row in db.query(SQL, &[], &[Kind::Text]).await? {
            // A note that cannot be read is of a later version, and protects nothing here.
            let note = row[0].as_text().and_then(|note| note.split_once(' '));
            let Some((Ok(position), Ok(until))) = note.map(|(at, until)| (at.parse(), until.parse::<i64>())) else {
                continue;
            };
            if until > now_ms {
                lowest = Some(lowest.map_or(position, |lowest: u64| lowest.min(position)));
            }
        }
        Ok(lowest)
    }

    /// Tells the other processes, and forgets what is over.
    pub(in crate::server) async fn publish(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        entropy: &mut dyn Entropy,
    ) -> Result<()> {
        const EXPIRED: &str = "DELETE FROM _plasma_meta WHERE substr(key, 1, 17) = 'compaction_lease:' \
            AND CAST(substr(value, length(value) - 12) AS BIGINT) <= ?1";
        db.execute(EXPIRED, &[Value::Int(now_ms)]).await?;
        let Some((position, until)) = self.own(now_ms) else { return Ok(()) };
        const SQL: &str = "INSERT INTO _plasma_meta (key, value) VALUES (?1, ?2) \
            ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        // Thirteen digits of the time are the end of the note: until the year 2286.
        let mut drawn = [0; 8];
        if self.name.get().is_none() {
            entropy.fill(&mut drawn);
        }
        let process = self.name.get_or_init(|| hex(&drawn));
        let note = format!("{position} {until:013}");
        db.execute(SQL, &[Value::Text(format!("{PREFIX}{process}")), Value::Text(note)]).await?;
        Ok(())
    }
}
