//! What a page says about mutations: who of the group advanced, and how the caller's own ended.

use super::log::to_value;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{MutationError, MutationResult, MutationStatus, PullResponse};
use crate::query::lower::Dialect;
use crate::store::SqlExecutor;
use crate::value::{Kind, Value};

/// Fills `lastMutationIDs`, `lastKey` and `results` of a page that ends at `until`. `after` is the position before it;
/// none after a reset: then everything up to `until` is told.
pub(super) async fn fill(
    db: &mut dyn SqlExecutor,
    group: &str,
    client: &str,
    settled: u64,
    after: Option<u64>,
    until: u64,
    response: &mut PullResponse,
) -> Result<()> {
    const SQLITE: &str = "SELECT client_id, last_mutation_id, row_version FROM _plasma_client_mutations \
        WHERE client_group_id = ?1 AND row_version > ?2 ORDER BY client_id";
    const POSTGRES: &str = "SELECT client_id, last_mutation_id, row_version FROM (\
        SELECT m.client_id, m.last_mutation_id, CASE WHEN c.unit IS NULL THEN 0 \
        ELSE coalesce(c.row_version, 9223372036854775807) END AS row_version \
        FROM _plasma_client_mutations m LEFT JOIN _plasma_commits c ON c.unit = m.unit \
        WHERE m.client_group_id = ?1 AND m.last_mutation_id > 0) AS members WHERE row_version > ?2 ORDER BY client_id";
    let dialect = db.dialect();
    let members = match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
    };
    // Without a position before it even an entry at version 0 counts.
    let lower = after.map_or(Value::Int(-1), to_value);
    let params = [Value::from(group), lower.clone()];
    let members = db.query(members, &params, &[Kind::Text, Kind::BigInt, Kind::BigInt]).await?;
    for member in members {
        let (Some(id), Some(last), Some(version)) = (member[0].as_text(), member[1].as_int(), member[2].as_int())
        else {
            return Err(malformed());
        };
        let last = if to_value(until).as_int() >= Some(version) {
            Some(last)
        } else {
            // The ledger has gone on since: the newest mutation of the page's own prefix.
            as_of(db, id, &lower, until).await?
        };
        if let Some(last) = last.and_then(|last| u64::try_from(last).ok()).filter(|last| *last > 0) {
            response.last_mutation_ids.insert(id.to_owned(), last);
        }
    }
    if let Some(last) = response.last_mutation_ids.get(client) {
        const KEY: &str = "SELECT key FROM _plasma_outcomes WHERE client_id = ?1 AND mutation_id = ?2";
        let rows = db.query(KEY, &[Value::from(client), to_value(*last)], &[Kind::Text]).await?;
        response.last_key = rows.first().and_then(|row| row[0].as_text()).map(str::to_owned);
        response.results = results(db, group, client, settled, &lower, until).await?;
    }
    Ok(())
}

/// The client's newest mutation in `(after, until]`. Versions rise with ids, so this is one short index range.
async fn as_of(db: &mut dyn SqlExecutor, client: &str, after: &Value, until: u64) -> Result<Option<i64>> {
    let sql = format!(
        "SELECT mutation_id, row_version FROM {} \
         WHERE client_id = ?1 AND row_version <= ?2 ORDER BY mutation_id DESC LIMIT 1",
        outcomes(db.dialect())
    );
    let rows = db.query(&sql, &[Value::from(client), to_value(until)], &[Kind::BigInt, Kind::BigInt]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    // Not advanced since the position: not told again.
    Ok((row[1].as_int() > after.as_int()).then(|| row[0].as_int()).flatten())
}

async fn results(
    db: &mut dyn SqlExecutor,
    group: &str,
    client: &str,
    settled: u64,
    after: &Value,
    until: u64,
) -> Result<Vec<MutationResult>> {
    let sql = format!(
        "SELECT mutation_id, status, code, message, data, effects FROM {} \
         WHERE client_id = ?1 AND mutation_id > ?2 AND client_group_id = ?3 AND row_version > ?4 AND row_version <= ?5 \
         ORDER BY mutation_id",
        outcomes(db.dialect())
    );
    const KINDS: [Kind; 6] = [Kind::BigInt, Kind::Text, Kind::Text, Kind::Text, Kind::Text, Kind::Text];
    let params = [Value::from(client), to_value(settled), Value::from(group), after.clone(), to_value(until)];
    let rows = db.query(&sql, &params, &KINDS).await?;
    rows.into_iter().map(result).collect()
}

/// Outcomes with the positions of their units. A unit that is no longer there is older than any reader; one that has no
/// position yet is newer.
fn outcomes(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "_plasma_outcomes",
        Dialect::Postgres => {
            "(SELECT o.*, CASE WHEN c.unit IS NULL THEN 0 ELSE c.row_version END AS row_version \
             FROM _plasma_outcomes o LEFT JOIN _plasma_commits c ON c.unit = o.unit) AS outcomes"
        }
    }
}

fn result(row: Vec<Value>) -> Result<MutationResult> {
    let id = row[0].as_int().and_then(|id| u64::try_from(id).ok()).ok_or_else(malformed)?;
    let text = |at: usize| row[at].as_text().map(str::to_owned);
    let status = match row[1].as_text() {
        Some("applied") => MutationStatus::Applied,
        Some("rejected") => MutationStatus::Rejected,
        Some("skipped") => MutationStatus::Skipped,
        _ => return Err(malformed()),
    };
    let error = match (status, text(2)) {
        (MutationStatus::Rejected, code) => Some(MutationError {
            code: code.unwrap_or_else(|| ErrorKind::Internal.code().to_owned()),
            message: text(3).unwrap_or_default(),
            data: text(4).map(|data| serde_json::from_str(&data)).transpose().map_err(|_| malformed())?,
        }),
        _ => None,
    };
    Ok(MutationResult { id, status, was: None, error, effects: text(5) })
}

fn malformed() -> Error {
    Error::new(ErrorKind::Storage, "the ledger holds a row that cannot be read")
}
