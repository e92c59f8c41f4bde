//! `ensure_schema`: the tables, the triggers, the first log entry, and the note of which schema they belong to.

pub(super) mod postgres;

use sha2::{Digest, Sha256};

use super::ServerEngine;
use super::tables::sqlite as tables;
use super::triggers::sqlite as triggers;
use crate::error::{Error, ErrorKind, Result};
use crate::inputs::Entropy;
use crate::schema::{self, TableDef};
use crate::store::SqlExecutor;
use crate::store::ddl::{self, Side};
use crate::value::{Kind, Value};

impl ServerEngine {
    /// Makes the database fit for this schema: user tables, the server's own tables, triggers, the `begin` entry of the
    /// change log. Does nothing, in one query, when all of it is there.
    ///
    /// # Errors
    /// [`SchemaMismatch`](ErrorKind::SchemaMismatch) when the database was made for a schema with another fingerprint:
    /// nothing is changed. [`Storage`](ErrorKind::Storage) when the database fails.
    pub async fn ensure_schema(&self, db: &mut dyn SqlExecutor, now_ms: i64, entropy: &mut dyn Entropy) -> Result<()> {
        schema::validate(&self.definition.schema)?;
        let triggers = self.trigger_sql();
        let revision = self.revision(&triggers);
        if self.is_current(db, &revision).await? {
            return Ok(());
        }
        db.batch("BEGIN IMMEDIATE").await?;
        let mut made = self.make_schema(db, now_ms, entropy, &triggers, &revision).await;
        if made.is_ok() {
            made = db.batch("COMMIT").await;
        }
        // A failed commit may leave the transaction open.
        if made.is_err() && db.in_transaction() {
            db.batch("ROLLBACK").await?;
        }
        made
    }

    /// Tells what of the database the fingerprint does not: triggers and indexes.
    fn revision(&self, triggers: &str) -> String {
        let mut hash = Sha256::new_with_prefix(triggers);
        for table in self.definition.schema.tables {
            for index in table.named_indexes() {
                hash.update(ddl::create_index(table, &index));
            }
        }
        hex(&hash.finalize()[..8])
    }

    /// Whether the database holds exactly this schema with these triggers and indexes.
    async fn is_current(&self, db: &mut dyn SqlExecutor, revision: &str) -> Result<bool> {
        let there = db
            .query(
                "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '_plasma_meta'",
                &[],
                &[Kind::Int],
            )
            .await?;
        if first_int(&there) == Some(0) {
            return Ok(false);
        }
        let found = meta(db, "fingerprint").await?;
        let schema = &self.definition.schema;
        if let Some(found) = &found
            && *found != schema.fingerprint_hex()
        {
            let version = meta(db, "schema_version").await?.unwrap_or_default();
            return Err(Error::new(
                ErrorKind::SchemaMismatch,
                format!(
                    "the database was made for schema version `{version}` (fingerprint {found}), this server has \
                     version `{}` (fingerprint {}): start the server that fits the database, migrate its tables and \
                     then set `fingerprint` in `_plasma_meta`, or open another database",
                    schema.version,
                    schema.fingerprint_hex()
                ),
            ));
        }
        let version = meta(db, "schema_version").await?;
        let triggers = meta(db, "triggers").await?;
        Ok(found.is_some() && version.as_deref() == Some(schema.version) && triggers.as_deref() == Some(revision))
    }

    async fn make_schema(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        entropy: &mut dyn Entropy,
        triggers: &str,
        revision: &str,
    ) -> Result<()> {
        // Somebody else may have done it between the first look and the lock.
        if self.is_current(db, revision).await? {
            return Ok(());
        }
        let schema = &self.definition.schema;
        for sql in [
            tables::CHANGES,
            tables::CLIENT_MUTATIONS,
            tables::OUTCOMES,
            tables::META,
            tables::ORIGIN,
            triggers::REPLACED,
        ] {
            db.batch(sql).await?;
        }
        for table in schema.tables {
            let there = db
                .query(
                    "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
                    &[Value::from(table.name)],
                    &[Kind::Int],
                )
                .await?;
            if first_int(&there) == Some(0) {
                db.batch(&ddl::create_table(table, Side::Server)).await?;
            }
            for name in triggers::names(table) {
                db.batch(&format!("DROP TRIGGER IF EXISTS {}", ddl::quote(&name))).await?;
            }
        }
        let found = db.query(ddl::INDEXES, &[], &[Kind::Text; 2]).await?;
        for change in ddl::index_changes(schema.tables, &found) {
            db.batch(&change).await?;
        }
        db.batch(triggers).await?;
        db.execute(
            "INSERT INTO _plasma_changes (table_name, row_id, op, created_at, mark) \
             SELECT '', '', 'begin', ?, ? WHERE NOT EXISTS (SELECT 1 FROM _plasma_changes)",
            &[Value::Int(now_ms), Value::Int(random_mark(entropy))],
        )
        .await?;
        let mut digest_key = [0u8; 32];
        entropy.fill(&mut digest_key);
        db.execute(
            "INSERT OR IGNORE INTO _plasma_meta (key, value) VALUES ('digest_key', ?)",
            &[Value::Text(hex(&digest_key))],
        )
        .await?;
        for (key, value) in [
            ("schema_version", schema.version.to_owned()),
            ("fingerprint", schema.fingerprint_hex()),
            ("triggers", revision.to_owned()),
        ] {
            db.execute(
                "INSERT INTO _plasma_meta (key, value) VALUES (?, ?) \
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                &[Value::from(key), Value::Text(value)],
            )
            .await?;
        }
        Ok(())
    }

    /// Whether writes of this table go to the change log: synced tables, and `local_only` tables in a schema with
    /// policies, because a policy may read them and visibility needs their old images. Entries of `local_only` tables
    /// are never sent.
    pub fn is_logged(&self, table: &TableDef) -> bool {
        !table.local_only || !self.definition.policies.is_empty()
    }

    fn trigger_sql(&self) -> String {
        let logged = self.definition.schema.tables.iter().filter(|table| self.is_logged(table));
        logged.map(|table| triggers::create(table)).collect::<Vec<_>>().join("\n")
    }
}

/// A value of `_plasma_meta`.
async fn meta(db: &mut dyn SqlExecutor, key: &str) -> Result<Option<String>> {
    let rows = db.query("SELECT value FROM _plasma_meta WHERE key = ?", &[Value::from(key)], &[Kind::Text]).await?;
    Ok(rows.into_iter().flatten().next().and_then(|value| value.as_text().map(str::to_owned)))
}

/// The integer of a result of one row and one column.
pub(super) fn first_int(rows: &[crate::value::Row]) -> Option<i64> {
    rows.first().and_then(|row| row.first()).and_then(Value::as_int)
}

/// Random bits for a log entry.
pub(super) fn random_mark(entropy: &mut dyn Entropy) -> i64 {
    let mut bytes = [0u8; 8];
    entropy.fill(&mut bytes);
    i64::from_le_bytes(bytes)
}

/// Lower-case hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
