//! The ledger: which mutation of which client was the last, and the key and outcome of each.

pub(super) mod unit;

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::protocol::{MutationError, MutationResult, MutationStatus};
use crate::query::lower::Dialect;
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

impl Entry {
    /// Whether it binds its client to its group.
    fn is_bound(&self) -> bool {
        self.last > 0 || self.expired
    }
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

macro_rules! entry_sql {
    ($end:literal) => {
        concat!(
            "SELECT client_group_id, last_mutation_id, settled, seen_at, expired FROM _plasma_client_mutations ",
            "WHERE client_id = ?",
            $end
        )
    };
}

/// The client's entry, as it is now: nothing keeps it so. Who is about to change it takes it by [`lock`].
pub(super) async fn entry(db: &mut dyn SqlExecutor, client_id: &str) -> Result<Option<Entry>> {
    read_entry(db, entry_sql!(""), client_id).await.map(|entry| entry.filter(Entry::is_bound))
}

/// The client's entry, which nobody else changes until this transaction ends: pushes of one client run one after the
/// other, whichever server has them. Comes first in the transaction's work for the client, before anything is read that
/// depends on the entry.
///
/// A client that has none is locked too. What that leaves is not an entry: [`unbind`] removes it, unless the client
/// [`advance`]s.
pub(super) async fn lock(db: &mut dyn SqlExecutor, client_id: &str, group: &str, now_ms: i64) -> Result<Option<Entry>> {
    if db.dialect() == Dialect::Sqlite {
        // One writer: its transaction is the lock.
        return entry(db, client_id).await;
    }
    let found = read_entry(db, LOCK, client_id).await?;
    lock_found(db, found, client_id, group, now_ms).await
}

/// [`lock`], on Postgres, with the entry read already, by [`LOCK`].
pub(super) async fn lock_found(
    db: &mut dyn SqlExecutor,
    mut found: Option<Entry>,
    client_id: &str,
    group: &str,
    now_ms: i64,
) -> Result<Option<Entry>> {
    if found.is_none() {
        // Waits for whoever inserts the same.
        db.execute(
            "INSERT INTO _plasma_client_mutations (client_id, client_group_id, last_mutation_id, unit, seen_at) \
             VALUES (?, ?, 0, 0, ?) ON CONFLICT (client_id) DO NOTHING",
            &[Value::from(client_id), Value::from(group), Value::Int(now_ms)],
        )
        .await?;
        found = read_entry(db, LOCK, client_id).await?;
    }
    Ok(found.filter(Entry::is_bound))
}

/// Forgets what [`lock`] left of a client that has no entry.
pub(super) async fn unbind(db: &mut dyn SqlExecutor, client_id: &str) -> Result<()> {
    if db.dialect() != Dialect::Sqlite {
        db.execute(
            "DELETE FROM _plasma_client_mutations WHERE client_id = ? AND last_mutation_id = 0",
            &[Value::from(client_id)],
        )
        .await?;
    }
    Ok(())
}

async fn read_entry(db: &mut dyn SqlExecutor, sql: &str, client_id: &str) -> Result<Option<Entry>> {
    db.query(sql, &[Value::from(client_id)], ENTRY).await.map(read)
}

/// The columns of an entry.
pub(super) const ENTRY: &[Kind] = &[Kind::Text, Kind::BigInt, Kind::BigInt, Kind::BigInt, Kind::Bool];

/// The entry in these rows.
pub(super) fn read(rows: Vec<Row>) -> Option<Entry> {
    rows.into_iter().next().map(|row| Entry {
        group: row[0].as_text().unwrap_or_default().to_owned(),
        last: unsigned(row.get(1)),
        settled: unsigned(row.get(2)),
        seen_at: row[3].as_int().unwrap_or_default(),
        expired: row[4] == Value::Bool(true),
    })
}

/// Reads the entry of a client, a parameter, on Postgres, and keeps it from everybody else.
pub(super) const LOCK: &str = entry_sql!(" FOR UPDATE");

/// Advances the client's entry, and binds the client to its group when it has none. `position` is that of its last
/// mutation's unit, as [`unit::finish`] returned it.
pub(super) async fn advance(
    db: &mut dyn SqlExecutor,
    client_id: &str,
    group: &str,
    last: u64,
    position: i64,
    now_ms: i64,
) -> Result<()> {
    let (sql, params) = advance_by(db.dialect(), client_id, group, last, position, now_ms);
    db.execute(sql, &params).await.map(drop)
}

macro_rules! advance_sql {
    ($at:literal) => {
        concat!(
            "INSERT INTO _plasma_client_mutations (client_id, client_group_id, last_mutation_id, ",
            $at,
            ", seen_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (client_id) DO UPDATE SET ",
            "client_group_id = excluded.client_group_id, last_mutation_id = excluded.last_mutation_id, ",
            $at,
            " = excluded.",
            $at,
            ", seen_at = excluded.seen_at"
        )
    };
}

/// The statement of [`advance`].
pub(super) fn advance_by(
    dialect: Dialect,
    client_id: &str,
    group: &str,
    last: u64,
    position: i64,
    now_ms: i64,
) -> (&'static str, [Value; 5]) {
    // The group of an entry never changes: another group's client was refused before it came here. Where in the log the
    // acknowledgement stands is its position, or the unit that will be given one.
    let sql = if dialect == Dialect::Sqlite { advance_sql!("row_version") } else { advance_sql!("unit") };
    (sql, [Value::from(client_id), Value::from(group), sql_id(last), Value::Int(position), Value::Int(now_ms)])
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

/// The statements that forget messages and data of outcomes in `(from, to]`; status, code and key stay.
pub(super) fn settle_by(client_id: &str, from: u64, to: u64) -> [(&'static str, Vec<Value>); 2] {
    let client = Value::from(client_id);
    [
        (
            "UPDATE _plasma_outcomes SET message = NULL, data = NULL, effects = NULL WHERE client_id = ? AND \
             mutation_id > ? AND mutation_id <= ? AND (message IS NOT NULL OR data IS NOT NULL OR effects IS NOT NULL)",
            vec![client.clone(), sql_id(from), sql_id(to)],
        ),
        ("UPDATE _plasma_client_mutations SET settled = ? WHERE client_id = ?", vec![sql_id(to), client]),
    ]
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
        keys => {
            let list = if db.dialect() == Dialect::Sqlite {
                "IN (SELECT value FROM json_each(?))"
            } else {
                "= ANY (ARRAY(SELECT json_array_elements_text(CAST(? AS json))))"
            };
            (list, Value::Text(serde_json::json!(keys).to_string()))
        }
    };
    // The index on keys holds the outcomes of those that ran.
    let ran = if db.dialect() == Dialect::Sqlite { "" } else { " AND NOT again" };
    let sql = format!(
        "SELECT key, status, code, message, data, effects FROM _plasma_outcomes \
         WHERE client_group_id = ? AND key {condition}{ran}"
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
