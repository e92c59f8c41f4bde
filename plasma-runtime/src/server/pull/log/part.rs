//! Reading the beginning of a long part of the log: what fills one page, and what came later of the same rows.
//!
//! A row that is in the page must be readable now, so what became of it since is read as well. Other rows that changed
//! later are not looked at: the reader learns of them on their own page. That can only be told apart where no table that a
//! rule reads has changed since: else a change reaches rows that have no entry.

use std::collections::{BTreeMap, BTreeSet};

use super::{Head, Log, malformed, to_value, version};
use crate::error::Result;
use crate::query::lower::Dialect;
use crate::schema::SchemaDef;
use crate::server::ServerEngine;
use crate::store::SqlExecutor;
use crate::value::{Kind, Row, Value};

/// Entries of the first statement: until then nobody knows how large they are.
const FIRST: usize = 128;
/// Entries of one statement at most, and at least.
const MOST: usize = 4_096;
const LEAST: usize = 16;

/// How much of the log fills a page.
#[derive(Debug, Clone, Copy)]
pub(in crate::server::pull) struct Window {
    pub(in crate::server::pull) entries: usize,
    /// Of their images.
    pub(in crate::server::pull) bytes: usize,
}

/// What was read.
pub(in crate::server::pull) enum Part {
    /// All that came after the position.
    Whole(Log),
    /// The first units, whose boundaries are all there are, and the later entries of their rows.
    Beginning(Log),
    /// Not a page by itself: one unit is larger, or a rule reads what has changed.
    Other,
}

const KINDS: [Kind; 9] = [
    Kind::BigInt,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::BigInt,
    Kind::BigInt,
    Kind::BigInt,
];

impl Log {
    /// Reads the beginning of the entries after `after`, which is not below what compaction has folded. `rules` are the
    /// tables that rules read.
    pub(in crate::server::pull) async fn beginning(
        db: &mut dyn SqlExecutor,
        engine: &ServerEngine,
        after: u64,
        head: Head,
        window: Window,
        rules: &BTreeSet<&str>,
    ) -> Result<Part> {
        let schema = &engine.definition.schema;
        let mut log = Log::empty(head);
        let whole = after >= head.version || log.load_window(db, schema, after, window).await?;
        if !whole {
            // The last unit may go on behind the window.
            log.drop_last_unit();
            let Some(until) = log.boundaries.last().copied() else { return Ok(Part::Other) };
            let touched = engine.touched.since(db, after, head).await?;
            if rules.iter().any(|table| touched.contains(*table)) {
                return Ok(Part::Other);
            }
            log.load_behind(db, schema, until).await?;
            log.load_tail(db, schema).await?;
            let ahead = rules.iter().any(|table| log.is_ahead(table));
            return Ok(if ahead { Part::Other } else { Part::Beginning(log) });
        }
        log.load_tail(db, schema).await?;
        Ok(Part::Whole(log))
    }

    /// Reads entries until the window is full; true when there are no more.
    async fn load_window(
        &mut self,
        db: &mut dyn SqlExecutor,
        schema: &SchemaDef,
        after: u64,
        window: Window,
    ) -> Result<bool> {
        const SQLITE: &str = "SELECT row_version, table_name, row_id, value, prior, client_id, mutation_id, mark, 0 \
            FROM _plasma_changes WHERE row_version > ?1 + ?4 AND row_version <= ?2 ORDER BY row_version LIMIT ?3";
        // A unit is a position: two neighbours are never one.
        const POSTGRES: &str = "SELECT c.row_version, coalesce(e.table_name, ''), coalesce(e.row_id, ''), e.value, e.prior, \
            NULL, c.row_version, c.mark, coalesce(e.seq, 0) FROM _plasma_commits c \
            LEFT JOIN _plasma_changes e ON e.unit = c.unit \
            WHERE c.row_version >= ?1 AND c.row_version <= ?2 AND (c.row_version > ?1 OR e.seq > ?4) \
            ORDER BY c.row_version, e.seq LIMIT ?3";
        let sqlite = db.dialect() == Dialect::Sqlite;
        let until = to_value(self.head.version);
        // Where the next statement begins: behind this entry of this position.
        let mut from = (to_value(after), Value::Int(if sqlite { 0 } else { i64::MAX }));
        let mut unit = None;
        let (mut entries, mut bytes, mut wanted) = (0, 0, FIRST.min(window.entries + 1));
        loop {
            let params = [from.0.clone(), until.clone(), Value::Int(wanted as i64), from.1.clone()];
            let rows = db.query(if sqlite { SQLITE } else { POSTGRES }, &params, &KINDS).await?;
            let last = rows.len() < wanted;
            for mut row in rows {
                let seq = row.pop().ok_or_else(|| malformed("a row of another width"))?;
                from = (row[0].clone(), seq);
                bytes += row.iter().filter_map(Value::as_text).map(str::len).sum::<usize>();
                entries += 1;
                self.take(schema, row, &mut unit)?;
            }
            if last {
                return Ok(true);
            }
            if entries > window.entries || bytes > window.bytes {
                return Ok(false);
            }
            // As many as are left, if they are like these.
            let fit = entries.saturating_mul(window.bytes - bytes).checked_div(bytes).unwrap_or(MOST);
            wanted = (window.entries + 1 - entries).min(fit + 1).clamp(LEAST, MOST);
        }
    }

    /// Forgets the last unit.
    fn drop_last_unit(&mut self) {
        self.boundaries.pop();
        let units = self.boundaries.len();
        while let Some(entry) = self.entries.pop_if(|entry| entry.unit >= units) {
            let at = self.entries.len();
            let Some(table) = entry.table else { continue };
            if let Some(rows) = self.rows.get_mut(table.name) {
                let left = rows.get_mut(&entry.row).map(|entries| {
                    entries.retain(|known| *known < at);
                    entries.len()
                });
                if left == Some(0) {
                    rows.remove(&entry.row);
                }
                if rows.is_empty() {
                    self.rows.remove(table.name);
                }
            }
            self.deletes.remove(&(entry.unit, table.name));
        }
    }

    /// Reads the entries after `until` of the rows that are here already.
    async fn load_behind(&mut self, db: &mut dyn SqlExecutor, schema: &SchemaDef, until: u64) -> Result<()> {
        const SQLITE: &str = "SELECT c.row_version, c.table_name, c.row_id, c.value, c.prior, c.mark \
            FROM json_each(?3) AS k CROSS JOIN _plasma_changes AS c \
            WHERE c.table_name = ?4 AND c.row_id = k.value AND c.row_version > ?1 AND c.row_version <= ?2";
        const POSTGRES: &str = "SELECT c.row_version, e.table_name, e.row_id, e.value, e.prior, c.mark \
            FROM _plasma_commits c JOIN _plasma_changes e ON e.unit = c.unit \
            WHERE c.row_version > ?1 AND c.row_version <= ?2 AND e.table_name = ?4 \
            AND e.row_id IN (SELECT json_array_elements_text(CAST(?3 AS json))) ORDER BY c.row_version, e.seq";
        const KINDS: [Kind; 6] = [Kind::BigInt, Kind::Text, Kind::Text, Kind::Text, Kind::Text, Kind::BigInt];
        let sql = if db.dialect() == Dialect::Sqlite { SQLITE } else { POSTGRES };
        let mut found: Vec<(u64, Row)> = Vec::new();
        for (table, rows) in &self.rows {
            let ids: Vec<&str> = rows.keys().map(String::as_str).collect();
            let ids = Value::Text(serde_json::json!(ids).to_string());
            let params = [to_value(until), to_value(self.head.version), ids, Value::from(*table)];
            for row in db.query(sql, &params, &KINDS).await? {
                found.push((version(&row[0])?, row));
            }
        }
        // Stable: what is of one position stays in its order.
        found.sort_by_key(|(version, _)| *version);
        let units = self.boundaries.len();
        for (_, row) in found {
            let [at, table, id, value, prior, bits] =
                <[Value; 6]>::try_from(row).map_err(|_| malformed("a row of another width"))?;
            self.take(schema, vec![at.clone(), table, id, value, prior, Value::Null, at, bits], &mut None)?;
        }
        // No page ends there.
        self.boundaries.truncate(units);
        Ok(())
    }
}

/// The tables that changed lately, so that asking again does not read the log again.
#[derive(Debug, Default)]
pub(in crate::server) struct Touched(std::sync::Mutex<Option<Known>>);

#[derive(Debug, Clone)]
struct Known {
    /// What is known is of the entries in `(from, head]`.
    from: u64,
    head: Head,
    /// The last change of each.
    tables: BTreeMap<String, u64>,
}

impl Touched {
    /// The tables with entries after `after`; perhaps some that have newer ones than the head.
    async fn since(&self, db: &mut dyn SqlExecutor, after: u64, head: Head) -> Result<BTreeSet<String>> {
        const SQLITE: &str = "SELECT table_name, max(row_version) FROM _plasma_changes \
            WHERE row_version > ?1 AND row_version <= ?2 GROUP BY +table_name";
        const POSTGRES: &str = "SELECT e.table_name, max(c.row_version) FROM _plasma_commits c \
            JOIN _plasma_changes e ON e.unit = c.unit WHERE c.row_version > ?1 AND c.row_version <= ?2 \
            GROUP BY e.table_name";
        let lock = || self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = lock().clone().filter(|known| known.from <= after && known.head.version <= head.version);
        // Of another history: from the beginning.
        let known = match known {
            Some(known) => {
                let marks = super::marks(db, [known.head.version; 4]).await?;
                (marks.get(&known.head.version) == Some(&known.head.mark)).then_some(known)
            }
            None => None,
        };
        let mut known = known.unwrap_or_else(|| {
            let start = Head { version: after, ..head };
            Known { from: after, head: start, tables: BTreeMap::new() }
        });
        if known.head.version < head.version {
            let sql = if db.dialect() == Dialect::Sqlite { SQLITE } else { POSTGRES };
            let params = [to_value(known.head.version), to_value(head.version)];
            for row in db.query(sql, &params, &[Kind::Text, Kind::BigInt]).await? {
                let table = row[0].as_text().unwrap_or_default();
                known.tables.insert(table.to_owned(), version(&row[1])?);
            }
            known.head = head;
            *lock() = Some(known.clone());
        }
        Ok(known.tables.into_iter().filter(|(_, last)| *last > after).map(|(table, _)| table).collect())
    }
}
