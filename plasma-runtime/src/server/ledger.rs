//! The ledger: which mutation of which client was the last, and the key and outcome of each.

use std::collections::BTreeMap;

use super::ddl::first_int;
use crate::error::{Error, Result};
use crate::protocol::{MutationError, MutationResult, MutationStatus};
use crate::store::SqlExecutor;
use crate::value::{Kind, Row, Value};

/// A client's entry.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) group: String,
    pub(super) last: u64,
    pub(super) settled: u64,
    pub(super) seen_at: i64,
    pub(super) expired: bool,
}

/// How a mutation ended, as stored.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) key: String,
    pub(super) status: MutationStatus,
    pub(super) error: Option<MutationError>,
    pub(super) effects: Option<String>,
}

impl Stored {
    /// The result of the run that made this outcome.
    pub(super) fn first(self, id: u64) -> MutationResult {
        MutationResult { id, status: self.status, was: None, error: self.error, effects: self.effects }
    }

    /// The result of every run after it. It carries no digest: asking again must not be a way to guess.
    pub(super) fn duplicate(self, id: u64) -> MutationResult {
        MutationResult {
            id,
            status: MutationStatus::Duplicate,
            was: Some(self.status),
            error: self.error,
            effects: None,
        }
    }
}

const STORED: &[Kind] = &[Kind::Text, Kind::Text, Kind::Text, Kind::Text, Kind::Text, Kind::Text];

/// A mutation id as SQL has it; ids are at most 2^53 - 1.
pub(super) fn sql_id(id: u64) -> Value {
    Value::Int(i64::try_from(id).unwrap_or(i64::MAX))
}

fn unsigned(value: Option<&Value>) -> u64 {
    value.and_then(Value::as_int).and_then(|n| u64::try_from(n).ok()).unwrap_or_default()
}

/// The client's entry.
pub(super) async fn entry(db: &mut dyn SqlExecutor, client_id: &str) -> Result<Option<Entry>> {
    let rows = db
        .query(
            "SELECT client_group_id, last_mutation_id, settled, seen_at, expired FROM _plasma_client_mutations \
             WHERE client_id = ?",
            &[Value::from(client_id)],
            &[Kind::Text, Kind::BigInt, Kind::BigInt, Kind::BigInt, Kind::BigInt],
        )
        .await?;
    Ok(rows.into_iter().next().map(|row| Entry {
        group: row[0].as_text().unwrap_or_default().to_owned(),
        last: unsigned(row.get(1)),
        settled: unsigned(row.get(2)),
        seen_at: row[3].as_int().unwrap_or_default(),
        expired: row[4].as_int() != Some(0),
    }))
}

/// Advances the client's entry, and binds the client to its group when it has none.
pub(super) async fn advance(
    db: &mut dyn SqlExecutor,
    client_id: &str,
    group: &str,
    last: u64,
    row_version: i64,
    now_ms: i64,
) -> Result<()> {
    // The group of an entry never changes: another group's client was refused before it came here.
    db.execute(
        "INSERT INTO _plasma_client_mutations (client_id, client_group_id, last_mutation_id, row_version, seen_at) \
         VALUES (?, ?, ?, ?, ?) ON CONFLICT (client_id) DO UPDATE SET last_mutation_id = excluded.last_mutation_id, \
         row_version = excluded.row_version, seen_at = excluded.seen_at",
        &[Value::from(client_id), Value::from(group), sql_id(last), Value::Int(row_version), Value::Int(now_ms)],
    )
    .await?;
    Ok(())
}

/// Expires the clients that were seen last before this time; returns how many.
pub(super) async fn expire(db: &mut dyn SqlExecutor, before_ms: i64) -> Result<u64> {
    db.execute(
        "UPDATE _plasma_client_mutations SET expired = 1 WHERE expired = 0 AND seen_at < ? AND client_id <> ?",
        &[Value::Int(before_ms), Value::from(super::JOBS)],
    )
    .await
}

/// Notes that the client is alive.
pub(super) async fn touch(db: &mut dyn SqlExecutor, client_id: &str, now_ms: i64) -> Result<()> {
    db.execute(
        "UPDATE _plasma_client_mutations SET seen_at = ? WHERE client_id = ?",
        &[Value::Int(now_ms), Value::from(client_id)],
    )
    .await?;
    Ok(())
}

/// Forgets messages and data of outcomes in `(from, to]`; status, code and key stay.
pub(super) async fn settle(db: &mut dyn SqlExecutor, client_id: &str, from: u64, to: u64) -> Result<()> {
    db.execute(
        "UPDATE _plasma_outcomes SET message = NULL, data = NULL, effects = NULL WHERE client_id = ? AND mutation_id > ? \
         AND mutation_id <= ? AND (message IS NOT NULL OR data IS NOT NULL OR effects IS NOT NULL)",
        &[Value::from(client_id), sql_id(from), sql_id(to)],
    )
    .await?;
    db.execute(
        "UPDATE _plasma_client_mutations SET settled = ? WHERE client_id = ?",
        &[sql_id(to), Value::from(client_id)],
    )
    .await?;
    Ok(())
}

/// The outcome of this client's mutation.
pub(super) async fn outcome(db: &mut dyn SqlExecutor, client_id: &str, id: u64) -> Result<Option<Stored>> {
    let rows = db
        .query(
            "SELECT key, status, code, message, data, effects FROM _plasma_outcomes \
             WHERE client_id = ? AND mutation_id = ?",
            &[Value::from(client_id), sql_id(id)],
            STORED,
        )
        .await?;
    rows.into_iter().next().map(stored).transpose()
}

/// Which of these keys any client of the group has issued before, with how they ended.
pub(super) async fn outcomes_by_key(
    db: &mut dyn SqlExecutor,
    group: &str,
    keys: &[&str],
) -> Result<BTreeMap<String, Stored>> {
    let (condition, keys) = match keys {
        [] => return Ok(BTreeMap::new()),
        [key] => ("= ?", Value::from(*key)),
        keys => ("IN (SELECT value FROM json_each(?))", Value::Text(serde_json::json!(keys).to_string())),
    };
    let sql = format!(
        "SELECT key, status, code, message, data, effects FROM _plasma_outcomes \
         WHERE client_group_id = ? AND key {condition}"
    );
    let rows = db.query(&sql, &[Value::from(group), keys], STORED).await?;
    rows.into_iter().map(|row| stored(row).map(|stored| (stored.key.clone(), stored))).collect()
}

fn stored(row: Row) -> Result<Stored> {
    let mut texts = row.into_iter().map(|value| match value {
        Value::Text(text) => Some(text),
        _ => None,
    });
    let mut next = || texts.next().flatten();
    let (key, status, code, message, data, effects) =
        (next().unwrap_or_default(), next().unwrap_or_default(), next(), next(), next(), next());
    let status = match status.as_str() {
        "applied" => MutationStatus::Applied,
        "rejected" => MutationStatus::Rejected,
        "skipped" => MutationStatus::Skipped,
        other => return Err(Error::internal(format!("the ledger holds the unknown status `{other}`"))),
    };
    let data = data
        .map(|data| serde_json::from_str(&data))
        .transpose()
        .map_err(|e| Error::internal("the ledger holds data that is not JSON").with_source(e))?;
    // The message of a settled rejection is forgotten, its code never.
    let error = code.map(|code| MutationError { code, message: message.unwrap_or_default(), data });
    Ok(Stored { key, status, error, effects })
}

/// Stores key and outcome of a mutation.
pub(super) async fn record(
    db: &mut dyn SqlExecutor,
    client_id: &str,
    group: &str,
    id: u64,
    stored: &Stored,
    row_version: i64,
    now_ms: i64,
) -> Result<()> {
    let status = match stored.status {
        MutationStatus::Applied => "applied",
        MutationStatus::Rejected => "rejected",
        MutationStatus::Skipped => "skipped",
        MutationStatus::Duplicate => return Err(Error::internal("a duplicate is never stored as one")),
    };
    let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
    let error = stored.error.as_ref();
    let data = error.and_then(|error| error.data.as_ref()).map(ToString::to_string);
    db.execute(
        "INSERT INTO _plasma_outcomes (client_id, mutation_id, client_group_id, key, status, code, message, data, \
         effects, row_version, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        &[
            Value::from(client_id),
            sql_id(id),
            Value::from(group),
            Value::from(stored.key.as_str()),
            Value::from(status),
            text(error.map(|error| error.code.as_str())),
            text(error.map(|error| error.message.as_str())),
            text(data.as_deref()),
            text(stored.effects.as_deref()),
            Value::Int(row_version),
            Value::Int(now_ms),
        ],
    )
    .await?;
    Ok(())
}

/// The last position of the change log.
pub(super) async fn head(db: &mut dyn SqlExecutor) -> Result<i64> {
    let rows = db.query("SELECT max(row_version) FROM _plasma_changes", &[], &[Kind::BigInt]).await?;
    first_int(&rows).ok_or_else(|| Error::internal("the change log is empty: `ensure_schema` has not run"))
}

/// Appends the `ack` entry of a mutation that wrote nothing to the log; returns its position.
pub(super) async fn acknowledge(
    db: &mut dyn SqlExecutor,
    client_id: &str,
    group: &str,
    id: u64,
    mark: i64,
    now_ms: i64,
) -> Result<i64> {
    db.execute(
        "INSERT INTO _plasma_changes (table_name, row_id, op, created_at, client_group_id, client_id, mutation_id, \
         mark) VALUES ('', '', 'ack', ?, ?, ?, ?, ?)",
        &[Value::Int(now_ms), Value::from(group), Value::from(client_id), sql_id(id), Value::Int(mark)],
    )
    .await?;
    head(db).await
}

/// Says who writes from now on, for the triggers. `who` is group, client and mutation; none for a raw transaction of
/// the application.
pub(super) async fn set_origin(
    db: &mut dyn SqlExecutor,
    who: Option<(&str, &str, u64)>,
    mark: i64,
    now_ms: i64,
) -> Result<()> {
    let (group, client, mutation) = match who {
        Some((group, client, id)) => (Value::from(group), Value::from(client), sql_id(id)),
        None => (Value::Null, Value::Null, Value::Null),
    };
    db.execute(
        "UPDATE _plasma_origin SET client_group_id = ?, client_id = ?, mutation_id = ?, mark = ?, now = ? WHERE id = 1",
        &[group, client, mutation, Value::Int(mark), Value::Int(now_ms)],
    )
    .await?;
    Ok(())
}

/// Nobody writes any more.
pub(super) async fn clear_origin(db: &mut dyn SqlExecutor) -> Result<()> {
    db.execute(
        "UPDATE _plasma_origin SET client_group_id = NULL, client_id = NULL, mutation_id = NULL, mark = NULL, \
         now = NULL WHERE id = 1",
        &[],
    )
    .await?;
    Ok(())
}
