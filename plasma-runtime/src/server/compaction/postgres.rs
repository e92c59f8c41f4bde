//! A compaction on Postgres, where a unit is a position with a row of its own in `_plasma_commits`, and its entries are
//! beside it. That row is the mark that stays. The newest entries of folded rows move to `_plasma_folded`, so that the
//! log itself loses all its entries below the bound, and needs no index by row.
//!
//! A unit may have any number of entries (another program's transaction over a whole table), and a step may not. What does
//! not fit into a step is gone through in parts. A reader from before that position finds the same in every part: the
//! entries that are left, and of folded rows the newest of the others.

use super::log::{Dropped, Folded, Stands, unsigned, version};
use crate::error::{Error, ErrorKind, Result};
use crate::server::ddl::first_int;
use crate::store::SqlExecutor;
use crate::value::{Kind, Value};

pub(super) async fn drop_below(db: &mut dyn SqlExecutor, floor: u64, most: usize) -> Result<Dropped> {
    const LAST: &str = "SELECT max(row_version) FROM (SELECT row_version FROM _plasma_commits \
        WHERE row_version < ?1 ORDER BY row_version LIMIT ?2) AS oldest";
    // Nobody else removes or changes them, so their places are theirs.
    const ENTRIES: &str = "DELETE FROM _plasma_changes WHERE ctid = ANY (ARRAY(\
        SELECT entry.ctid FROM _plasma_commits AS unit JOIN _plasma_changes AS entry ON entry.unit = unit.unit \
        WHERE unit.row_version <= ?1 LIMIT ?2))";
    const FOLDED: &str = "DELETE FROM _plasma_folded WHERE ctid = ANY (ARRAY(\
        SELECT ctid FROM _plasma_folded WHERE row_version <= ?1 LIMIT ?2))";
    const POSITIONS: &str = "DELETE FROM _plasma_commits WHERE row_version <= ?1";
    let last = db.query(LAST, &[version(floor), Value::Int(most as i64)], &[Kind::BigInt]).await?;
    let Some(last) = first_int(&last) else { return Ok(Dropped::default()) };
    let mut entries = 0;
    for sql in [ENTRIES, FOLDED] {
        let left = most as u64 - entries;
        entries += db.execute(sql, &[Value::Int(last), version(left)]).await?;
        if entries >= most as u64 {
            // There may be more of them.
            return Ok(Dropped { entries, positions: 0 });
        }
    }
    Ok(Dropped { entries, positions: db.execute(POSITIONS, &[Value::Int(last)]).await? })
}

/// The entries a step goes through.
struct Part {
    /// Those of positions above the one and up to the other,
    positions: (u64, u64),
    /// with numbers above the one and up to the other.
    numbers: (u64, u64),
    /// Where folding stands after it.
    stands: Stands,
    /// Positions that are done with it.
    done: u64,
}

pub(super) async fn fold(
    db: &mut dyn SqlExecutor,
    from: Stands,
    bound: u64,
    open: &Value,
    most: usize,
) -> Result<Folded> {
    const KEEP: &str = "INSERT INTO _plasma_folded (table_name, row_id, row_version, op, value) \
        SELECT DISTINCT ON (entry.table_name, entry.row_id) \
            entry.table_name, entry.row_id, unit.row_version, entry.op, entry.value \
        FROM _plasma_commits AS unit JOIN _plasma_changes AS entry ON entry.unit = unit.unit \
        WHERE unit.row_version > ?1 AND unit.row_version <= ?2 AND entry.seq > ?3 AND entry.seq <= ?4 \
        AND entry.table_name = ANY (ARRAY(SELECT json_array_elements_text(CAST(?5 AS json)))) \
        ORDER BY entry.table_name, entry.row_id, unit.row_version DESC, entry.seq DESC \
        ON CONFLICT (table_name, row_id) DO UPDATE \
        SET row_version = EXCLUDED.row_version, op = EXCLUDED.op, value = EXCLUDED.value";
    const REMOVE: &str = "WITH gone AS (DELETE FROM _plasma_changes AS entry USING _plasma_commits AS unit \
        WHERE entry.unit = unit.unit AND unit.row_version > ?1 AND unit.row_version <= ?2 \
        AND entry.seq > ?3 AND entry.seq <= ?4 RETURNING entry.table_name, unit.row_version) \
        SELECT table_name, max(row_version), count(*) FROM gone GROUP BY table_name";
    let Some(part) = next_part(db, from, bound, most).await? else { return Ok(Folded::default()) };
    let mut folded = Folded {
        stands: Some(part.stands),
        marked: part.done,
        more: i64::try_from(part.done).unwrap_or(i64::MAX),
        ..Folded::default()
    };
    let (positions, numbers) = (part.positions, part.numbers);
    let range = [version(positions.0), version(positions.1), version(numbers.0), version(numbers.1)];
    let [after, until, above, to] = range.clone();
    let kept = db.execute(KEEP, &[after, until, above, to, open.clone()]).await?;
    for row in db.query(REMOVE, &range, &[Kind::Text, Kind::BigInt, Kind::BigInt]).await? {
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

/// What the next step goes through: whole positions, or a part of one that is larger than a step.
async fn next_part(db: &mut dyn SqlExecutor, from: Stands, bound: u64, most: usize) -> Result<Option<Part>> {
    // Positions with the number of their entries, until there are too many of either.
    const SIZES: &str = "SELECT row_version, unit, count(seq) FROM (\
        SELECT batch.row_version, batch.unit, entry.seq FROM \
        (SELECT row_version, unit FROM _plasma_commits WHERE row_version > ?1 AND row_version < ?2 \
            ORDER BY row_version LIMIT ?5) AS batch \
        LEFT JOIN LATERAL (SELECT seq FROM _plasma_changes WHERE unit = batch.unit AND seq > ?4 ORDER BY seq LIMIT ?3) \
            AS entry ON TRUE ORDER BY batch.row_version LIMIT ?3) AS sizes GROUP BY row_version, unit ORDER BY row_version";
    const PART: &str = "SELECT max(seq) FROM (SELECT seq FROM _plasma_changes WHERE unit = ?1 AND seq > ?2 \
        ORDER BY seq LIMIT ?3) AS part";
    // One more than fits says that there is more. Inside of a position nothing else is looked at.
    let more = most as i64 + 1;
    let positions = if from.within > 0 { 1 } else { more };
    let params = [version(from.done), version(bound), Value::Int(more), version(from.within), Value::Int(positions)];
    let rows = db.query(SIZES, &params, &[Kind::BigInt; 3]).await?;
    let mut sizes = Vec::with_capacity(rows.len());
    for row in &rows {
        let (Some(at), Some(unit), Some(entries)) =
            (unsigned(row[0].as_int()), row[1].as_int(), unsigned(row[2].as_int()))
        else {
            return Err(Error::new(ErrorKind::Storage, "a position of the change log cannot be read"));
        };
        sizes.push((at, unit, entries));
    }
    let Some((first, unit, _)) = sizes.first().copied() else { return Ok(None) };
    if sizes.iter().map(|(_, _, entries)| (*entries).max(1)).sum::<u64>() > most as u64 {
        // The last one may have more entries than were counted.
        sizes.pop();
    }
    Ok(Some(match sizes.last() {
        Some((last, _, _)) => Part {
            positions: (from.done, *last),
            numbers: (from.within, u64::MAX),
            stands: Stands { done: *last, within: 0 },
            done: sizes.len() as u64,
        },
        None => {
            let params = [Value::Int(unit), version(from.within), Value::Int(most as i64)];
            let last = unsigned(first_int(&db.query(PART, &params, &[Kind::BigInt]).await?));
            let last = last.ok_or_else(|| Error::internal("a position has entries and has none"))?;
            Part {
                positions: (from.done, first),
                numbers: (from.within, last),
                stands: Stands { done: from.done, within: last },
                done: 0,
            }
        }
    }))
}
