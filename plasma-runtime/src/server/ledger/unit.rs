//! Units: what a mutation, or a task of the server, writes as one position of the log.
//!
//! A unit begins before the savepoint its writes run in, so that what is rolled back leaves it, and ends outside of it
//! with the mutation's outcome. On SQLite the origin row tells the triggers who writes, and a unit's position is known
//! at once. On Postgres a transaction-local setting tells them the unit, and it gets its position after the commit
//! ([`tables::postgres`](crate::server::tables::postgres)).

use super::{Stored, sql_id};
use crate::error::{Error, Result};
use crate::inputs::Entropy;
use crate::protocol::MutationStatus;
use crate::query::lower::Dialect;
use crate::server::ddl::{first_int, random_mark};
use crate::store::SqlExecutor;
use crate::value::{Kind, Value};

/// Whose mutation it is.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Who<'w> {
    pub(in crate::server) group: &'w str,
    pub(in crate::server) client: &'w str,
    pub(in crate::server) mutation: u64,
}

/// The last position of the change log, on SQLite; on Postgres positions come after commits, and it is 0.
pub(in crate::server) async fn head(db: &mut dyn SqlExecutor) -> Result<i64> {
    if db.dialect() != Dialect::Sqlite {
        return Ok(0);
    }
    let rows = db.query("SELECT max(row_version) FROM _plasma_changes", &[], &[Kind::BigInt]).await?;
    first_int(&rows).ok_or_else(|| Error::internal("the change log is empty: `ensure_schema` has not run"))
}

/// From now on writes are this mutation's; without one they are those of a raw transaction of the application. `mark`
/// are the unit's random bits (on Postgres positions draw their own).
pub(in crate::server) async fn begin(
    db: &mut dyn SqlExecutor,
    who: Option<Who<'_>>,
    entropy: &mut dyn Entropy,
    now_ms: i64,
) -> Result<()> {
    if db.dialect() != Dialect::Sqlite {
        let sql = match who {
            Some(_) => BEGIN_POSTGRES,
            // The first write finds it empty and makes a unit.
            None => NOBODY,
        };
        return db.query(sql, &[], &[Kind::BigInt]).await.map(drop);
    }
    let (group, client, mutation) = match who {
        Some(Who { group, client, mutation }) => (Value::from(group), Value::from(client), sql_id(mutation)),
        None => (Value::Null, Value::Null, Value::Null),
    };
    db.execute(
        "UPDATE _plasma_origin SET client_group_id = ?, client_id = ?, mutation_id = ?, mark = ?, now = ? WHERE id = 1",
        &[group, client, mutation, Value::Int(random_mark(entropy)), Value::Int(now_ms)],
    )
    .await?;
    Ok(())
}

/// Draws the unit and names it to the triggers.
pub(in crate::server) const BEGIN_POSTGRES: &str = "SELECT _plasma_begin_unit()";
/// Draws so many units, a parameter, and names the first to the triggers.
pub(in crate::server) const DRAW_POSTGRES: &str = "SELECT _plasma_draw_units(?)";
/// Names a unit that was drawn, a parameter, to the triggers.
pub(in crate::server) const RESUME_POSTGRES: &str = "SELECT _plasma_begin_unit(CAST(? AS bigint))";
const NOBODY: &str = "SELECT _plasma_end_unit()";

/// Nobody writes any more.
pub(in crate::server) async fn clear(db: &mut dyn SqlExecutor) -> Result<()> {
    if db.dialect() != Dialect::Sqlite {
        // The setting ends with the transaction.
        return Ok(());
    }
    db.execute(
        "UPDATE _plasma_origin SET client_group_id = NULL, client_id = NULL, mutation_id = NULL, mark = NULL, \
         now = NULL",
        &[],
    )
    .await?;
    Ok(())
}

/// Ends the unit of a mutation, outside of its savepoint, with its key and outcome; returns where it stands, for
/// [`advance`](super::advance). One that never ran need not have begun.
///
/// `head` is the position before the unit and becomes the one after it (SQLite). `again` says that the key was issued
/// before and nothing ran.
///
/// On Postgres two transactions may run the same key at once; the one that comes second fails here with
/// [`Conflict`](crate::ErrorKind::Conflict) and is lost: run again it finds the key known.
#[expect(clippy::too_many_arguments, reason = "the parts of one unit, stored in one place")]
pub(in crate::server) async fn finish(
    db: &mut dyn SqlExecutor,
    who: Who<'_>,
    stored: &Stored,
    again: bool,
    wrote: bool,
    head: &mut i64,
    entropy: &mut dyn Entropy,
    now_ms: i64,
) -> Result<i64> {
    if db.dialect() != Dialect::Sqlite {
        return finish_postgres(db, who, stored, again, now_ms).await;
    }
    let now = if wrote { self::head(db).await? } else { *head };
    *head = if now > *head { now } else { acknowledge(db, who, random_mark(entropy), now_ms).await? };
    record(db, who, stored, *head, now_ms).await?;
    Ok(*head)
}

/// Appends the `ack` entry of a mutation that wrote nothing to the log; returns its position.
async fn acknowledge(db: &mut dyn SqlExecutor, who: Who<'_>, mark: i64, now_ms: i64) -> Result<i64> {
    let Who { group, client, mutation } = who;
    db.execute(
        "INSERT INTO _plasma_changes (table_name, row_id, op, created_at, client_group_id, client_id, mutation_id, \
         mark) VALUES ('', '', 'ack', ?, ?, ?, ?, ?)",
        &[Value::Int(now_ms), Value::from(group), Value::from(client), sql_id(mutation), Value::Int(mark)],
    )
    .await?;
    head(db).await
}

/// Stores key and outcome of a mutation.
async fn record(db: &mut dyn SqlExecutor, who: Who<'_>, stored: &Stored, row_version: i64, now_ms: i64) -> Result<()> {
    let Who { group, client, mutation } = who;
    let [key, status, code, message, data, effects] = columns(stored)?;
    db.execute(
        "INSERT INTO _plasma_outcomes (client_id, mutation_id, client_group_id, key, status, code, message, data, \
         effects, row_version, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        &[
            Value::from(client),
            sql_id(mutation),
            Value::from(group),
            key,
            status,
            code,
            message,
            data,
            effects,
            Value::Int(row_version),
            Value::Int(now_ms),
        ],
    )
    .await?;
    Ok(())
}

/// Commits row and outcome in one statement. The draw of its `last_seq` is the unit's last: whatever it read was there
/// before. The parameters are clock, group, client and mutation, then what [`columns`] gives, with `again` after the key.
pub(in crate::server) const FINISH_POSTGRES: &str = "WITH ended AS (\
    INSERT INTO _plasma_commits (unit, last_seq, created_at, client_group_id, client_id, mutation_id) \
    VALUES (_plasma_end_unit(), nextval('_plasma_seq'), ?1, ?2, ?3, ?4) RETURNING unit) \
    INSERT INTO _plasma_outcomes (client_id, mutation_id, client_group_id, key, again, status, code, message, data, \
    effects, unit, created_at) SELECT ?3, ?4, ?2, CAST(?5 AS text), CAST(?6 AS boolean), CAST(?7 AS text), \
    CAST(?8 AS text), CAST(?9 AS text), CAST(?10 AS text), CAST(?11 AS text), ended.unit, ?1 FROM ended \
    RETURNING unit";

async fn finish_postgres(
    db: &mut dyn SqlExecutor,
    who: Who<'_>,
    stored: &Stored,
    again: bool,
    now_ms: i64,
) -> Result<i64> {
    let Who { group, client, mutation } = who;
    let [key, status, code, message, data, effects] = columns(stored)?;
    let params = [
        Value::Int(now_ms),
        Value::from(group),
        Value::from(client),
        sql_id(mutation),
        key,
        Value::Bool(again),
        status,
        code,
        message,
        data,
        effects,
    ];
    let rows = db.query(FINISH_POSTGRES, &params, &[Kind::BigInt]).await?;
    first_int(&rows).ok_or_else(|| Error::internal("a unit that ended has no row"))
}

/// A mutation whose outcome is stored at the end of its transaction.
#[derive(Debug)]
pub(in crate::server) struct Ended {
    pub(in crate::server) mutation: u64,
    pub(in crate::server) unit: i64,
    pub(in crate::server) stored: Stored,
    /// The key was issued before, and nothing ran.
    pub(in crate::server) again: bool,
}

/// As [`FINISH_POSTGRES`], for mutations of one client that begun units each. The parameters are clock, group and client,
/// and the outcomes as [`all_ended`] writes them. Numbers are drawn in the order of the mutations.
pub(in crate::server) const FINISH_ALL_POSTGRES: &str = "WITH given AS (\
    SELECT * FROM json_to_recordset(CAST(?4 AS json)) AS g (u bigint, m bigint, k text, a boolean, s text, c text, \
    t text, d text, e text)), \
    ended AS (INSERT INTO _plasma_commits (unit, last_seq, created_at, client_group_id, client_id, mutation_id) \
    SELECT u, nextval('_plasma_seq'), ?1, ?2, ?3, m FROM given) \
    INSERT INTO _plasma_outcomes (client_id, mutation_id, client_group_id, key, again, status, code, message, data, \
    effects, unit, created_at) SELECT ?3, m, ?2, k, a, s, c, t, d, e, u, ?1 FROM given";

/// The outcomes as a parameter of [`FINISH_ALL_POSTGRES`].
pub(in crate::server) fn all_ended(ended: &[Ended]) -> Result<Value> {
    let rows: Result<Vec<_>> = ended
        .iter()
        .map(|ended| {
            let [key, status, code, message, data, effects] = columns(&ended.stored)?;
            let mut row = serde_json::Map::new();
            row.insert("u".to_owned(), ended.unit.into());
            row.insert("m".to_owned(), ended.mutation.into());
            row.insert("a".to_owned(), ended.again.into());
            for (name, value) in [("k", key), ("s", status), ("c", code), ("t", message), ("d", data), ("e", effects)] {
                if let Value::Text(text) = value {
                    row.insert(name.to_owned(), text.into());
                }
            }
            Ok(serde_json::Value::Object(row))
        })
        .collect();
    Ok(Value::Text(serde_json::Value::Array(rows?).to_string()))
}

/// Key, status, code, message, data and effects.
fn columns(stored: &Stored) -> Result<[Value; 6]> {
    let status = match stored.status {
        MutationStatus::Applied => "applied",
        MutationStatus::Rejected => "rejected",
        MutationStatus::Skipped => "skipped",
        MutationStatus::Duplicate => return Err(Error::internal("a duplicate is never stored as one")),
    };
    let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
    let error = stored.error.as_ref();
    let data = error.and_then(|error| error.data.as_ref()).map(ToString::to_string);
    Ok([
        Value::from(stored.key.as_str()),
        Value::from(status),
        text(error.map(|error| error.code.as_str())),
        text(error.map(|error| error.message.as_str())),
        text(data.as_deref()),
        text(stored.effects.as_deref()),
    ])
}
