//! A compaction on Postgres, where a unit is a position with a row of its own in `_plasma_commits`, and its entries are
//! beside it. That row is the mark that stays. The newest entries of folded rows move to `_plasma_folded`, so that the
//! log itself loses all its entries below the bound, and needs no index by row.

use super::log::{Dropped, Folded, unsigned, version};
use crate::error::{Error, ErrorKind, Result};
use crate::store::SqlExecutor;
use crate::value::{Kind, Value};

pub(super) async fn drop_below(db: &mut dyn SqlExecutor, floor: u64, most: usize) -> Result<Dropped> {
    const LAST: &str = "SELECT max(row_version) FROM (SELECT row_version FROM _plasma_commits \
        WHERE row_version < ?1 ORDER BY row_version LIMIT ?2) AS oldest";
    const ENTRIES: &str = "DELETE FROM _plasma_changes AS entry USING _plasma_commits AS unit \
        WHERE entry.unit = unit.unit AND unit.row_version <= ?1";
    const FOLDED: &str = "DELETE FROM _plasma_folded WHERE row_version <= ?1";
    const POSITIONS: &str = "DELETE FROM _plasma_commits WHERE row_version <= ?1";
    let last = db.query(LAST, &[version(floor), Value::Int(most as i64)], &[Kind::BigInt]).await?;
    let Some(last) = crate::server::ddl::first_int(&last) else { return Ok(Dropped::default()) };
    let params = [Value::Int(last)];
    let entries = db.execute(ENTRIES, &params).await? + db.execute(FOLDED, &params).await?;
    Ok(Dropped { entries, positions: db.execute(POSITIONS, &params).await? })
}

pub(super) async fn fold(db: &mut dyn SqlExecutor, done: u64, bound: u64, open: &Value, most: usize) -> Result<Folded> {
    const BATCH: &str = "SELECT count(*), max(row_version) FROM (SELECT row_version FROM _plasma_commits \
        WHERE row_version > ?1 AND row_version < ?2 ORDER BY row_version LIMIT ?3) AS batch";
    const KEEP: &str = "INSERT INTO _plasma_folded (table_name, row_id, row_version, op, value) \
        SELECT DISTINCT ON (entry.table_name, entry.row_id) \
            entry.table_name, entry.row_id, unit.row_version, entry.op, entry.value \
        FROM _plasma_commits AS unit JOIN _plasma_changes AS entry ON entry.unit = unit.unit \
        WHERE unit.row_version > ?1 AND unit.row_version <= ?2 \
        AND entry.table_name = ANY (ARRAY(SELECT json_array_elements_text(CAST(?3 AS json)))) \
        ORDER BY entry.table_name, entry.row_id, unit.row_version DESC, entry.seq DESC \
        ON CONFLICT (table_name, row_id) DO UPDATE \
        SET row_version = EXCLUDED.row_version, op = EXCLUDED.op, value = EXCLUDED.value";
    const REMOVE: &str = "WITH gone AS (DELETE FROM _plasma_changes AS entry USING _plasma_commits AS unit \
        WHERE entry.unit = unit.unit AND unit.row_version > ?1 AND unit.row_version <= ?2 \
        RETURNING entry.table_name, unit.row_version) \
        SELECT table_name, max(row_version), count(*) FROM gone GROUP BY table_name";
    let params = [version(done), version(bound), Value::Int(most as i64)];
    let batch = db.query(BATCH, &params, &[Kind::BigInt, Kind::BigInt]).await?;
    let counted = batch.first().map(|row| (unsigned(row[0].as_int()), unsigned(row[1].as_int())));
    let Some((Some(positions), Some(last))) = counted else { return Ok(Folded::default()) };
    let mut folded = Folded {
        last: Some(last),
        marked: positions,
        more: i64::try_from(positions).unwrap_or(i64::MAX),
        ..Folded::default()
    };
    let kept = db.execute(KEEP, &[version(done), version(last), open.clone()]).await?;
    let params = [version(done), version(last)];
    for row in db.query(REMOVE, &params, &[Kind::Text, Kind::BigInt, Kind::BigInt]).await? {
        let (Some(table), Some(at), Some(entries)) =
            (row[0].as_text(), unsigned(row[1].as_int()), unsigned(row[2].as_int()))
        else {
            return Err(Error::new(ErrorKind::Storage, "the change log holds an entry that cannot be read"));
        };
        folded.scanned += entries;
        folded.lost.insert(table.to_owned(), at);
    }
    folded.removed = folded.scanned.saturating_sub(kept);
    Ok(folded)
}
