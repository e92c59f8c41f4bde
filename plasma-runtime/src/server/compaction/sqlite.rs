//! The statements of a compaction on SQLite's log, where every entry has a version of its own.

use super::log::{Dropped, Folded, Stands, unsigned, version};
use crate::error::{Error, ErrorKind, Result};
use crate::store::SqlExecutor;
use crate::value::{Kind, Value};

fn list(versions: &[u64]) -> Value {
    Value::Text(serde_json::json!(versions).to_string())
}

pub(super) async fn drop_below(db: &mut dyn SqlExecutor, floor: u64, most: usize) -> Result<Dropped> {
    const SQL: &str = "DELETE FROM _plasma_changes WHERE row_version IN \
        (SELECT row_version FROM _plasma_changes WHERE row_version < ?1 ORDER BY row_version LIMIT ?2)";
    let entries = db.execute(SQL, &[version(floor), Value::Int(most as i64)]).await?;
    Ok(Dropped { entries, positions: entries })
}

pub(super) async fn fold(db: &mut dyn SqlExecutor, done: u64, bound: u64, open: &Value, most: usize) -> Result<Folded> {
    const BATCH: &str = "SELECT count(*), max(row_version) FROM (SELECT row_version FROM _plasma_changes \
        WHERE row_version > ?1 AND row_version < ?2 ORDER BY row_version LIMIT ?3)";
    // Entries that go: those of tables that are not folded, and those of folded rows that have a newer one in the batch. Of
    // each row the newest is found first: for every pair of entries of a row that is written often it would take for ever.
    // The next entry tells whether a reader may stand on one: not inside of a mutation, and hardly between raw entries of
    // one millisecond. One that does all the same is sent everything.
    const GONE: &str = "WITH batch AS (SELECT row_version, table_name, row_id FROM _plasma_changes \
          WHERE row_version > ?1 AND row_version <= ?2), \
        newest AS MATERIALIZED (SELECT table_name, row_id, max(row_version) AS row_version FROM batch \
            WHERE table_name IN (SELECT value FROM json_each(?3)) GROUP BY table_name, row_id), \
        gone AS (SELECT row_version FROM batch \
            WHERE table_name <> '' AND table_name NOT IN (SELECT value FROM json_each(?3)) \
          UNION ALL SELECT older.row_version FROM newest CROSS JOIN _plasma_changes AS older \
            ON older.table_name = newest.table_name AND older.row_id = newest.row_id \
            AND older.row_version < newest.row_version) \
        SELECT entry.row_version, entry.table_name, coalesce((SELECT next.client_id IS entry.client_id \
            AND next.mutation_id IS entry.mutation_id AND next.created_at = entry.created_at \
            FROM _plasma_changes AS next WHERE next.row_version > entry.row_version \
            ORDER BY next.row_version LIMIT 1), 0) \
        FROM gone CROSS JOIN _plasma_changes AS entry ON entry.row_version = gone.row_version";
    let params = [version(done), version(bound), Value::Int(most as i64)];
    let batch = db.query(BATCH, &params, &[Kind::BigInt, Kind::BigInt]).await?;
    let counted = batch.first().map(|row| (unsigned(row[0].as_int()), unsigned(row[1].as_int())));
    let Some((Some(scanned), Some(last))) = counted else { return Ok(Folded::default()) };
    let stands = Some(Stands { done: last, within: 0 });
    let mut folded = Folded { scanned, stands, ..Folded::default() };
    let (mut gone, mut marked) = (Vec::new(), Vec::new());
    let params = [version(done), version(last), open.clone()];
    for row in db.query(GONE, &params, &[Kind::BigInt, Kind::Text, Kind::BigInt]).await? {
        let (Some(at), Some(table)) = (unsigned(row[0].as_int()), row[1].as_text()) else {
            return Err(Error::new(ErrorKind::Storage, "the change log holds an entry that cannot be read"));
        };
        let newest = folded.lost.entry(table.to_owned()).or_default();
        *newest = at.max(*newest);
        if row[2].as_int() == Some(1) { gone.push(at) } else { marked.push(at) }
    }
    const REMOVE: &str = "DELETE FROM _plasma_changes WHERE row_version IN (SELECT value FROM json_each(?1))";
    const MARK: &str = "UPDATE _plasma_changes SET table_name = '', row_id = '', op = 'mark', value = NULL, \
        prior = NULL WHERE row_version IN (SELECT value FROM json_each(?1))";
    if !gone.is_empty() {
        db.execute(REMOVE, &[list(&gone)]).await?;
    }
    if !marked.is_empty() {
        db.execute(MARK, &[list(&marked)]).await?;
    }
    (folded.removed, folded.marked) = (gone.len() as u64, marked.len() as u64);
    folded.more = i64::try_from(scanned).unwrap_or(i64::MAX) - gone.len() as i64;
    Ok(folded)
}
