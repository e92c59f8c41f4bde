//! What the ledger forgets: clients that were away for too long, and keys nobody will issue again.
//!
//! Both go through the ledger client by client, a few at a time. A client that has expired keeps its id and its group
//! for ever: no other group can take the id. Of a client that lives, the newest keys are always known; an older key that
//! has gone is, under its id, a fork, and the client was told that it is not to be sent again after so long.

use super::compaction::{Horizon, log};
use super::ledger::sql_id;
use super::{JOBS, ServerEngine};
use crate::error::Result;
use crate::query::lower::Dialect;
use crate::store::SqlExecutor;
use crate::value::{Kind, Value};

/// How far the ledger has been gone through, and what was forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Expiry {
    /// The last client that is done with.
    after: String,
    /// Clients that expired.
    pub(super) clients: u64,
    /// Outcomes that went, with their keys.
    pub(super) outcomes: u64,
}

/// Clients looked at in one step, for so many outcomes it may remove.
const CLIENTS_PER_STEP: usize = 64;

struct Client {
    id: String,
    last: u64,
    seen_at: i64,
    expired: bool,
}

impl ServerEngine {
    /// Expires the clients that have pushed nothing for [`client_expiry_ms`](super::ServerOptions::client_expiry_ms)
    /// (never less than keys are kept), and forgets the keys and outcomes that
    /// [`key_retention_ms`](super::ServerOptions::key_retention_ms) and [`keys_kept`](super::ServerOptions::keys_kept)
    /// do not keep; returns how many clients expired. An expired client takes a new id and issues its queue again.
    ///
    /// Servers do this by themselves, in small steps, with every round of upkeep.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the database fails.
    pub async fn expire_clients(&self, db: &mut dyn SqlExecutor, now_ms: i64) -> Result<u64> {
        let mut expiry = Expiry::default();
        while self.expire_step(db, now_ms, &mut expiry, 1_000).await? {}
        Ok(expiry.clients)
    }

    /// Forgets what it is time to forget, in one transaction of its own that removes at most about `most` outcomes; false
    /// when the whole ledger was gone through.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the database fails; the step has done nothing then.
    pub(super) async fn expire_step(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        expiry: &mut Expiry,
        most: usize,
    ) -> Result<bool> {
        let before = expiry.clone();
        log::begin(db).await?;
        let done = self.expire_some(db, now_ms, expiry, most.max(1)).await;
        let done = log::end(db, done).await;
        if done.is_err() {
            *expiry = before;
        }
        done
    }

    async fn expire_some(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        expiry: &mut Expiry,
        most: usize,
    ) -> Result<bool> {
        let options = self.options();
        let idle_since = now_ms.saturating_sub(options.client_expiry_ms.max(options.key_retention_ms));
        let old = now_ms.saturating_sub(options.key_retention_ms);
        let bound = Horizon::load(db).await?.bound;
        let clients = clients(db, &expiry.after, CLIENTS_PER_STEP).await?;
        let all = clients.len() < CLIENTS_PER_STEP;
        let mut left = most;
        for client in clients {
            let mut expired = client.expired;
            if !expired && client.seen_at < idle_since && client.id != JOBS {
                // On Postgres it may have pushed since it was read.
                const SQL: &str = "UPDATE _plasma_client_mutations SET expired = TRUE \
                    WHERE client_id = ?1 AND seen_at < ?2 AND NOT expired";
                let params = [Value::from(client.id.as_str()), Value::Int(idle_since)];
                expired = db.execute(SQL, &params).await? > 0;
                expiry.clients += u64::from(expired);
            }
            let known = if expired { 0 } else { options.keys_kept };
            let last = client.last.saturating_sub(known);
            let gone = forget(db, &client.id, last, !expired, old, bound, left).await?;
            expiry.outcomes += gone;
            left = left.saturating_sub(usize::try_from(gone).unwrap_or(usize::MAX));
            if left == 0 {
                // The client may have more.
                return Ok(true);
            }
            expiry.after = client.id;
        }
        Ok(!all)
    }
}

async fn clients(db: &mut dyn SqlExecutor, after: &str, most: usize) -> Result<Vec<Client>> {
    const SQL: &str = "SELECT client_id, last_mutation_id, seen_at, expired FROM _plasma_client_mutations \
        WHERE client_id > ?1 ORDER BY client_id LIMIT ?2";
    const KINDS: [Kind; 4] = [Kind::Text, Kind::BigInt, Kind::BigInt, Kind::Bool];
    let rows = db.query(SQL, &[Value::from(after), Value::Int(most as i64)], &KINDS).await?;
    let client = |row: crate::value::Row| Client {
        id: row[0].as_text().unwrap_or_default().to_owned(),
        last: row[1].as_int().and_then(|id| u64::try_from(id).ok()).unwrap_or_default(),
        seen_at: row[2].as_int().unwrap_or_default(),
        expired: row[3] == Value::Bool(true),
    };
    Ok(rows.into_iter().map(client).collect())
}

/// Forgets the client's oldest outcomes: those up to `last` that are older than `old_ms` and lie at or below the bound. Of
/// one that may still push, the newest of those stays: a page that ends at or above the bound must find the newest mutation
/// of its cut, however far the client has gone on since. Returns how many, at most `most`.
async fn forget(
    db: &mut dyn SqlExecutor,
    client: &str,
    last: u64,
    goes_on: bool,
    old_ms: i64,
    bound: u64,
    most: usize,
) -> Result<u64> {
    // Ids, times and positions of one client rise together: the oldest `most` tell.
    const SQL: &str = "DELETE FROM _plasma_outcomes WHERE client_id = ?1 AND mutation_id IN \
        (SELECT mutation_id FROM (SELECT mutation_id, created_at, {position} FROM _plasma_outcomes \
            WHERE client_id = ?1 AND mutation_id <= ?2 ORDER BY mutation_id LIMIT ?3) AS oldest \
         WHERE oldest.created_at < ?4 AND {passed}{next})";
    const NEXT: &str = " AND EXISTS (SELECT 1 FROM _plasma_outcomes AS later \
        WHERE later.client_id = ?1 AND later.mutation_id = oldest.mutation_id + 1 AND {passed})";
    if last == 0 {
        return Ok(0);
    }
    let (position, passed) = match db.dialect() {
        Dialect::Sqlite => ("row_version", "{}.row_version <= ?5"),
        // A unit whose row is gone lies below the floor; one without a position lies above everything.
        Dialect::Postgres => (
            "unit",
            "NOT EXISTS (SELECT 1 FROM _plasma_commits AS c \
             WHERE c.unit = {}.unit AND (c.row_version IS NULL OR c.row_version > ?5))",
        ),
    };
    let next = if goes_on { NEXT.replace("{passed}", &passed.replace("{}", "later")) } else { String::new() };
    let sql = SQL.replace("{position}", position).replace("{passed}", &passed.replace("{}", "oldest"));
    let sql = sql.replace("{next}", &next);
    let bound = Value::Int(i64::try_from(bound).unwrap_or(i64::MAX));
    let params = [Value::from(client), sql_id(last), Value::Int(most as i64), Value::Int(old_ms), bound];
    db.execute(&sql, &params).await
}
