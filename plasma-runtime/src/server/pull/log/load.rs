//! Reading the part of the log a pull looks at.

use super::{Entry, Head, Log, malformed, mark, text, to_value, version};
use crate::error::{Error, ErrorKind, Result};
use crate::query::lower::Dialect;
use crate::schema::SchemaDef;
use crate::store::SqlExecutor;
use crate::value::{Kind, Row, Value};

/// Entries of the tail at most.
const TAIL_ENTRIES: usize = 250_000;

/// So many entries are read without asking how large they are.
const FEW: usize = 128;

/// How much of the log a pull reads at most: all of it is in memory.
#[derive(Debug, Clone, Copy)]
pub(in crate::server::pull) struct Limit {
    pub(in crate::server::pull) entries: usize,
    /// Of their images.
    pub(in crate::server::pull) bytes: i64,
}

impl Log {
    /// Reads the entries after `after`, and the tail. None when there are more than `limit` says. Below `bound` they may be
    /// folded.
    pub(in crate::server::pull) async fn load(
        db: &mut dyn SqlExecutor,
        schema: &SchemaDef,
        after: u64,
        bound: u64,
        head: Head,
        limit: Limit,
    ) -> Result<Option<Self>> {
        let mut log = Log { bound, ..Log::empty(head) };
        if after < head.version && !log.load_entries(db, schema, after, limit).await? {
            return Ok(None);
        }
        log.load_tail(db, schema).await?;
        Ok(Some(log))
    }

    /// The log as of its head: nothing but the tail.
    pub(in crate::server::pull) async fn at_head(
        db: &mut dyn SqlExecutor,
        schema: &SchemaDef,
        head: Head,
    ) -> Result<Self> {
        let mut log = Log::empty(head);
        log.load_tail(db, schema).await?;
        Ok(log)
    }

    /// Reads the entries after `after`; false when there are more than `limit` says.
    async fn load_entries(
        &mut self,
        db: &mut dyn SqlExecutor,
        schema: &SchemaDef,
        after: u64,
        limit: Limit,
    ) -> Result<bool> {
        const SQLITE: &str = "SELECT row_version, table_name, row_id, value, prior, client_id, mutation_id, mark \
            FROM _plasma_changes WHERE row_version > ?1 AND row_version <= ?2 ORDER BY row_version LIMIT ?3";
        // A unit is a position: two neighbours are never one.
        const POSTGRES: &str = "SELECT c.row_version, coalesce(e.table_name, ''), coalesce(e.row_id, ''), e.value, e.prior, \
            NULL, c.row_version, c.mark FROM _plasma_commits c LEFT JOIN _plasma_changes e ON e.unit = c.unit \
            WHERE c.row_version > ?1 AND c.row_version <= ?2 ORDER BY c.row_version, e.seq LIMIT ?3";
        // What compaction has folded lies beside the log.
        const FOLDED: &str = "SELECT c.row_version, coalesce(e.table_name, ''), coalesce(e.row_id, ''), e.value, e.prior, \
            NULL, c.row_version, c.mark FROM _plasma_commits c LEFT JOIN (SELECT o.row_version, g.seq, g.table_name, \
            g.row_id, g.value, g.prior FROM _plasma_commits o JOIN _plasma_changes g ON g.unit = o.unit \
            WHERE o.row_version > ?1 UNION ALL SELECT f.row_version, 0, f.table_name, f.row_id, f.value, NULL \
            FROM _plasma_folded f WHERE f.row_version > ?1) e ON e.row_version = c.row_version \
            WHERE c.row_version > ?1 AND c.row_version <= ?2 ORDER BY c.row_version, e.seq LIMIT ?3";
        const KINDS: [Kind; 8] =
            [Kind::BigInt, Kind::Text, Kind::Text, Kind::Text, Kind::Text, Kind::Text, Kind::BigInt, Kind::BigInt];
        let sql = match db.dialect() {
            Dialect::Sqlite => SQLITE,
            Dialect::Postgres if after < self.bound => FOLDED,
            Dialect::Postgres => POSTGRES,
        };
        let [after, until] = [after, self.head.version].map(to_value);
        let params = |most: usize| [after.clone(), until.clone(), Value::Int(most as i64 + 1)];
        let few = FEW.min(limit.entries);
        let mut rows = db.query(sql, &params(few), &KINDS).await?;
        if rows.len() > few {
            let length = if db.dialect() == Dialect::Sqlite { "length" } else { "octet_length" };
            let size = format!(
                "SELECT count(*), coalesce(sum(coalesce({length}(value), 0) + coalesce({length}(prior), 0)), 0) \
                 FROM ({sql}) AS entries"
            );
            let size = db.query(&size, &params(limit.entries), &[Kind::BigInt, Kind::BigInt]).await?;
            let figure = |at: usize| size.first().and_then(|row| row[at].as_int()).unwrap_or(i64::MAX);
            if figure(0) > limit.entries as i64 || figure(1) > limit.bytes {
                return Ok(false);
            }
            rows = db.query(sql, &params(limit.entries), &KINDS).await?;
        }
        let mut unit = None;
        for row in rows {
            self.take(schema, row, &mut unit)?;
        }
        Ok(true)
    }

    /// Adds the next entry. `unit` is what tells the unit of the one before it.
    pub(super) fn take(&mut self, schema: &SchemaDef, row: Row, unit: &mut Option<(Value, Value)>) -> Result<()> {
        let [at, table, id, value, prior, client, mutation, bits] =
            <[Value; 8]>::try_from(row).map_err(|_| malformed("a row of another width"))?;
        let version = version(&at)?;
        let key = (client, mutation);
        match unit {
            Some(known) if *known == key => {
                *self.boundaries.last_mut().expect("a unit has a boundary") = version;
            }
            _ => {
                self.boundaries.push(version);
                *unit = Some(key);
            }
        }
        let table = schema.table(table.as_text().unwrap_or_default());
        let Value::Text(row) = id else { return Err(malformed("a row id that is no text")) };
        self.push(Entry {
            version,
            mark: mark(&bits)?,
            table,
            row,
            unit: self.boundaries.len() - 1,
            value: text(value)?,
            prior: text(prior)?,
        });
        Ok(())
    }

    /// Reads the tail: the entries of units that the snapshot shows and that had no position when it was taken. Their
    /// versions lie behind the head, so that the tables as of the head are those without them; no page ends there.
    pub(super) async fn load_tail(&mut self, db: &mut dyn SqlExecutor, schema: &SchemaDef) -> Result<()> {
        if db.dialect() == Dialect::Sqlite {
            return Ok(());
        }
        const SQL: &str = "SELECT p.unit, e.table_name, e.row_id, e.value, e.prior FROM _plasma_pending() p \
            JOIN _plasma_changes e ON e.unit = p.unit ORDER BY p.last_seq, p.unit, e.seq LIMIT ?1";
        const KINDS: [Kind; 5] = [Kind::BigInt, Kind::Text, Kind::Text, Kind::Text, Kind::Text];
        let rows = db.query(SQL, &[Value::Int(TAIL_ENTRIES as i64 + 1)], &KINDS).await?;
        if rows.len() > TAIL_ENTRIES {
            // It was committed after the sequencer ran: next time it has a position.
            return Err(Error::new(ErrorKind::Fault, "a unit without a position is larger than a pull reads"));
        }
        let (mut units, mut last) = (0, Value::Null);
        for row in rows {
            let [of, table, id, value, prior] =
                <[Value; 5]>::try_from(row).map_err(|_| malformed("a row of another width"))?;
            if of != last {
                units += 1;
                last = of;
            }
            let Value::Text(row) = id else { return Err(malformed("a row id that is no text")) };
            let table = schema.table(table.as_text().unwrap_or_default());
            self.tail.extend(table.map(|table| table.name));
            self.push(Entry {
                version: self.head.version + units as u64,
                mark: self.head.mark,
                table,
                row,
                unit: self.boundaries.len() + units,
                value: text(value)?,
                prior: text(prior)?,
            });
        }
        Ok(())
    }
}
