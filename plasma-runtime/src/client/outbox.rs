//! The queue of mutations the base does not cover yet.

use uuid::Uuid;

use super::footprint::Footprint;
use super::identity::{self, Meta, keys};
use crate::error::{Error, ErrorKind, Result};
use crate::mutate::Effects;
use crate::store::SqlConnection;
use crate::store::cells::sealed;
use crate::value::{Kind, Row, Value};

/// A mutation in the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedMutation {
    /// Its key.
    pub key: Uuid,
    /// Its id.
    pub id: u64,
    /// Wire name of the mutator.
    pub name: String,
    /// The arguments, as JSON.
    pub args: String,
    /// When it was made, unix ms.
    pub timestamp_ms: i64,
    /// The server has decided; its effect waits for the pull that covers it.
    pub acknowledged: bool,
    /// Why it never runs; none for all others.
    pub skip: Option<Skip>,
    /// When it was first sent, unix ms; none when it never was.
    pub sent_ms: Option<i64>,
    /// Why its last replay failed: it has no optimistic effect then, and the server decides.
    pub failing: Option<String>,
    /// What its last run was told and wrote; none when it has not run, or failed.
    pub(crate) effects: Option<Effects>,
    /// The rows it changed, as they were before its first run, as JSON; none when it changed none that can be merged.
    pub(crate) bases: Option<String>,
    /// The version of the schema under which it was made; none when it is not known.
    pub(crate) made_by: Option<String>,
    /// What its operations on CRDT columns had seen in its first run, as JSON; none when there is nothing.
    pub(crate) observed: Option<String>,
}

/// What the outbox keeps of a run of a mutation.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// What it read, as far as a pull could change it.
    pub(crate) reads: Footprint,
    /// The digests of what it was told and wrote; none when it did not run to its end.
    pub(crate) effects: Option<Effects>,
    /// Of the first run: the rows it changed, as they were. A later run changes nothing about what the user saw.
    pub(crate) bases: Option<String>,
    /// Of the first run: what its operations on CRDT columns saw.
    pub(crate) observed: Option<String>,
}

impl Run {
    /// As the columns `read_digest` and `write_digest`.
    fn digests(&self, store: &dyn SqlConnection, key: Uuid) -> Result<[Value; 2]> {
        let Some(effects) = &self.effects else { return Ok([Value::Null, Value::Null]) };
        Ok([
            kept(store, key, "read_digest", effects.reads.as_str().into())?,
            kept(store, key, "write_digest", effects.writes.as_str().into())?,
        ])
    }
}

/// Why a mutation never runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skip {
    /// It was taken back before it was sent.
    Discarded,
    /// It is larger than the server takes.
    TooLarge,
}

impl Skip {
    /// As on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Skip::Discarded => "discarded",
            Skip::TooLarge => "too-large",
        }
    }
}

const COLUMNS: &str =
    "id, key, name, args, ts, state, skip, sent_at, failing, read_digest, write_digest, bases, made_by, observed";
const KINDS: [Kind; 14] = [
    Kind::BigInt,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::BigInt,
    Kind::Text,
    Kind::Text,
    Kind::BigInt,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Text,
];

/// An id as a parameter. Ids never pass 2^53.
pub(crate) fn id_value(id: u64) -> Value {
    Value::Int(i64::try_from(id).unwrap_or(i64::MAX))
}

pub(crate) fn id_from(value: &Value) -> u64 {
    value.as_int().and_then(|id| u64::try_from(id).ok()).unwrap_or(0)
}

/// A value for one of the columns that may hold values of rows.
fn kept(store: &dyn SqlConnection, key: Uuid, column: &str, value: Value) -> Result<Value> {
    sealed(store, "_plasma_outbox", column, &key.to_string(), value)
}

fn decode(row: Row) -> Result<QueuedMutation> {
    let damaged = || Error::new(ErrorKind::Storage, "a row of the outbox is damaged");
    let [id, key, name, args, ts, state, skip, sent_at, failing, reads, writes, bases, made_by, observed] =
        <[Value; 14]>::try_from(row).map_err(|_| damaged())?;
    let text = |value: Value| match value {
        Value::Text(text) => Some(text),
        _ => None,
    };
    Ok(QueuedMutation {
        key: key.as_text().and_then(|key| Uuid::parse_str(key).ok()).ok_or_else(damaged)?,
        id: id_from(&id),
        name: text(name).ok_or_else(damaged)?,
        args: text(args).ok_or_else(damaged)?,
        timestamp_ms: ts.as_int().ok_or_else(damaged)?,
        acknowledged: state.as_text() == Some("acknowledged"),
        skip: match skip.as_text() {
            Some("discarded") => Some(Skip::Discarded),
            Some("too-large") => Some(Skip::TooLarge),
            _ => None,
        },
        sent_ms: sent_at.as_int(),
        failing: text(failing),
        effects: text(reads).zip(text(writes)).map(|(reads, writes)| Effects { reads, writes }),
        bases: text(bases),
        made_by: text(made_by),
        observed: text(observed),
    })
}

fn select(store: &mut dyn SqlConnection, rest: &str, params: &[Value]) -> Result<Vec<QueuedMutation>> {
    let rows = store.query(&format!("SELECT {COLUMNS} FROM _plasma_outbox {rest}"), params, &KINDS)?;
    rows.into_iter().map(decode).collect()
}

/// All of it, in order.
pub(crate) fn list(store: &mut dyn SqlConnection) -> Result<Vec<QueuedMutation>> {
    select(store, "ORDER BY id", &[])
}

/// The entries up to `last`.
pub(crate) fn up_to(store: &mut dyn SqlConnection, last: u64) -> Result<Vec<QueuedMutation>> {
    select(store, "WHERE id <= ?1 ORDER BY id", &[id_value(last)])
}

/// Whether there are entries up to `last`.
pub(crate) fn any_up_to(store: &mut dyn SqlConnection, last: u64) -> Result<bool> {
    let sql = "SELECT 1 FROM _plasma_outbox WHERE id <= ?1 LIMIT 1";
    Ok(last > 0 && !store.query(sql, &[id_value(last)], &[Kind::BigInt])?.is_empty())
}

/// The entries after `last`.
pub(crate) fn after(store: &mut dyn SqlConnection, last: u64) -> Result<Vec<QueuedMutation>> {
    select(store, "WHERE id > ?1 ORDER BY id", &[id_value(last)])
}

/// The first entries the server has not decided.
pub(crate) fn queued(store: &mut dyn SqlConnection, limit: usize) -> Result<Vec<QueuedMutation>> {
    let limit = Value::Int(i64::try_from(limit).unwrap_or(i64::MAX));
    select(store, "WHERE state = 'queued' ORDER BY id LIMIT ?1", &[limit])
}

pub(crate) fn by_key(store: &mut dyn SqlConnection, key: Uuid) -> Result<Option<QueuedMutation>> {
    Ok(select(store, "WHERE key = ?1", &[key.to_string().into()])?.pop())
}

pub(crate) fn by_id(store: &mut dyn SqlConnection, id: u64) -> Result<Option<QueuedMutation>> {
    Ok(select(store, "WHERE id = ?1", &[id_value(id)])?.pop())
}

/// The client id, and the greatest id it has given out.
pub(crate) fn issued(store: &mut dyn SqlConnection) -> Result<(String, u64)> {
    let sql = "SELECT (SELECT value FROM _plasma_meta WHERE key = 'client_id'), max(
      coalesce((SELECT CAST(value AS INTEGER) FROM _plasma_meta WHERE key = 'issued'), 0),
      coalesce((SELECT max(id) FROM _plasma_outbox), 0))";
    match store.query(sql, &[], &[Kind::Text, Kind::BigInt])?.pop().map(<[Value; 2]>::try_from) {
        Some(Ok([Value::Text(client_id), id])) => Ok((client_id, id_from(&id))),
        _ => Err(Error::new(ErrorKind::Storage, "the store has no client id")),
    }
}

/// Appends a mutation that was made under this version of the schema.
#[expect(clippy::too_many_arguments, reason = "the columns of one row")]
pub(crate) fn append(
    store: &mut dyn SqlConnection,
    id: u64,
    key: Uuid,
    name: &str,
    args: &str,
    timestamp_ms: i64,
    made_by: &str,
    run: &Run,
) -> Result<()> {
    let [reads, writes] = run.digests(store, key)?;
    let args = kept(store, key, "args", args.into())?;
    let bases = kept(store, key, "bases", run.bases.as_deref().map_or(Value::Null, Value::from))?;
    let observed = kept(store, key, "observed", run.observed.as_deref().map_or(Value::Null, Value::from))?;
    store.execute(
        "INSERT INTO main._plasma_outbox
           (id, key, name, args, ts, state, reads, read_digest, write_digest, bases, made_by, observed)
         VALUES (?1, ?2, ?3, ?4, ?5, 'queued', ?6, ?7, ?8, ?9, ?10, ?11)",
        &[
            id_value(id),
            key.to_string().into(),
            name.into(),
            args,
            timestamp_ms.into(),
            run.reads.to_json().into(),
            reads,
            writes,
            bases,
            made_by.into(),
            observed,
        ],
    )?;
    Ok(())
}

/// Notes that these are about to be sent; entries sent before keep their time.
pub(crate) fn mark_sent(store: &mut dyn SqlConnection, first: u64, last: u64, now: i64) -> Result<()> {
    store.execute(
        "UPDATE main._plasma_outbox SET sent_at = ?3 WHERE id BETWEEN ?1 AND ?2 AND state = 'queued' AND sent_at IS NULL",
        &[id_value(first), id_value(last), now.into()],
    )?;
    Ok(())
}

/// Notes that the server has decided.
pub(crate) fn mark_acknowledged(store: &mut dyn SqlConnection, id: u64) -> Result<()> {
    store.execute("UPDATE main._plasma_outbox SET state = 'acknowledged' WHERE id = ?1", &[id_value(id)])?;
    Ok(())
}

/// The first mutation above `last`, up to `until`, that the server has decided.
pub(crate) fn first_acknowledged(store: &mut dyn SqlConnection, last: u64, until: u64) -> Result<Option<u64>> {
    let sql = "SELECT id FROM _plasma_outbox WHERE id > ?1 AND id <= ?2 AND state = 'acknowledged' ORDER BY id LIMIT 1";
    let row = store.query(sql, &[id_value(last), id_value(until)], &[Kind::BigInt])?.pop();
    Ok(row.and_then(|row| row.first().map(id_from)))
}

/// Notes that it never runs.
pub(crate) fn mark_skipped(store: &mut dyn SqlConnection, id: u64, skip: Skip) -> Result<()> {
    store.execute("UPDATE main._plasma_outbox SET skip = ?2 WHERE id = ?1", &[id_value(id), skip.code().into()])?;
    Ok(())
}

/// What the last run read and wrote, and why it failed if it did. What the first one found stays.
pub(crate) fn set_run(
    store: &mut dyn SqlConnection,
    entry: &QueuedMutation,
    run: &Run,
    failing: Option<&str>,
) -> Result<()> {
    let (id, key) = (entry.id, entry.key);
    let failing = kept(store, key, "failing", failing.map_or(Value::Null, Value::from))?;
    let [reads, writes] = run.digests(store, key)?;
    store.execute(
        "UPDATE main._plasma_outbox SET reads = ?2, failing = ?3, read_digest = ?4, write_digest = ?5 WHERE id = ?1",
        &[id_value(id), run.reads.to_json().into(), failing, reads, writes],
    )?;
    Ok(())
}

/// Removes the entries up to `last`; the ids stay taken.
pub(crate) fn remove_up_to(store: &mut dyn SqlConnection, meta: &mut Meta, last: u64) -> Result<()> {
    store.execute("DELETE FROM main._plasma_outbox WHERE id <= ?1", &[id_value(last)])?;
    store.execute("DELETE FROM main._plasma_effects WHERE mid <= ?1", &[id_value(last)])?;
    if last > meta.issued {
        meta.issued = last;
        identity::set(store, keys::ISSUED, Some(&last.to_string()))?;
    }
    Ok(())
}

/// How many the server has not decided, how many there are, and when the oldest undecided one was made (unix ms).
pub(crate) fn counts(store: &mut dyn SqlConnection) -> Result<(u64, u64, Option<i64>)> {
    let sql = "SELECT count(*) FILTER (WHERE state = 'queued'), count(*), min(ts) FILTER (WHERE state = 'queued')
      FROM _plasma_outbox";
    let row = store.query(sql, &[], &[Kind::BigInt; 3])?.pop().unwrap_or_default();
    match row.as_slice() {
        [queued, all, oldest] => Ok((id_from(queued), id_from(all), oldest.as_int())),
        _ => Ok((0, 0, None)),
    }
}

/// The greatest id up to which every mutation's outcome is known and recorded.
pub(crate) fn settled(store: &mut dyn SqlConnection) -> Result<u64> {
    let sql = "SELECT min(id) FROM _plasma_outbox WHERE state = 'queued'";
    match store.query(sql, &[], &[Kind::BigInt])?.pop().as_deref() {
        Some([Value::Int(first)]) => Ok(u64::try_from(first - 1).unwrap_or(0)),
        _ => Ok(issued(store)?.1),
    }
}

/// Gives all entries new ids from 1 on, in their order, and makes them queued again: their keys, unchanged, keep them
/// from running twice.
pub(crate) fn renumber(store: &mut dyn SqlConnection) -> Result<()> {
    // Through negative ids, so that old and new ones never meet.
    store.execute("UPDATE main._plasma_outbox SET id = -id, state = 'queued'", &[])?;
    store.execute("UPDATE main._plasma_effects SET mid = -mid", &[])?;
    let old = store.query("SELECT id FROM _plasma_outbox ORDER BY id DESC", &[], &[Kind::BigInt])?;
    for (index, row) in old.into_iter().enumerate() {
        let new = id_value(index as u64 + 1);
        let old = row.into_iter().next().unwrap_or(Value::Null);
        store.execute("UPDATE main._plasma_outbox SET id = ?2 WHERE id = ?1", &[old.clone(), new.clone()])?;
        store.execute("UPDATE main._plasma_effects SET mid = ?2 WHERE mid = ?1", &[old, new])?;
    }
    Ok(())
}
