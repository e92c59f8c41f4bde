//! `ensure_schema`: the tables, the triggers, the first log entry, and the note of which schema they belong to.

pub(super) mod postgres;

use sha2::{Digest, Sha256};

use super::ServerEngine;
use super::tables::sqlite as tables;
use super::triggers::merge_sqlite::MERGING;
use super::triggers::sqlite as triggers;
use crate::error::Result;
use crate::inputs::Entropy;
use crate::query::lower::Dialect;
use crate::schema::{self, TableDef};
use crate::store::SqlExecutor;
use crate::store::ddl::{self, Side};
use crate::value::Value;

impl ServerEngine {
    /// Makes the database fit for this schema: user tables, the server's own tables, triggers, the `begin` entry of the
    /// change log. Does nothing, in one look, when all of it is there.
    ///
    /// A database of another version of the schema is taken as it is when it has all that this program needs: programs of
    /// several versions run on one database. What it lacks is added when that is additive ([`Class::Additive`]) and
    /// [`ServerOptions::apply_additive`] is on. Nothing is ever dropped, converted or constrained.
    ///
    /// [`Class::Additive`]: super::Class::Additive
    /// [`ServerOptions::apply_additive`]: super::ServerOptions::apply_additive
    ///
    /// # Errors
    /// [`SchemaMismatch`](crate::ErrorKind::SchemaMismatch) when more would be needed: nothing is changed, the message has
    /// every difference. [`Storage`](crate::ErrorKind::Storage) when the database fails; the connection is not to be used
    /// any more.
    pub async fn ensure_schema(&self, db: &mut dyn SqlExecutor, now_ms: i64, entropy: &mut dyn Entropy) -> Result<()> {
        schema::validate(&self.definition.schema)?;
        self.ensure_tables(db, now_ms, entropy).await
    }

    /// Tells what of the database the fingerprint does not: triggers, indexes, defaults.
    pub(super) fn revision(&self) -> String {
        let mut hash = Sha256::new();
        for table in self.definition.schema.tables {
            hash.update(ddl::create_table(table, Side::Server));
            for check in table.checks {
                hash.update(check.text);
            }
            if self.is_logged(table) {
                triggers::create(table).iter().for_each(|(_, sql)| hash.update(sql));
            }
        }
        hex(&hash.finalize()[..8])
    }

    /// The server's own tables and what they start with, where they are missing.
    pub(super) async fn make_server_tables(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        entropy: &mut dyn Entropy,
    ) -> Result<()> {
        match db.dialect() {
            Dialect::Postgres => self.make_own_postgres(db, now_ms, entropy).await?,
            Dialect::Sqlite => self.make_own_sqlite(db, now_ms, entropy).await?,
        }
        let mut digest_key = [0u8; 32];
        entropy.fill(&mut digest_key);
        db.execute(
            "INSERT INTO _plasma_meta (key, value) VALUES ('digest_key', ?) ON CONFLICT (key) DO NOTHING",
            &[Value::Text(hex(&digest_key))],
        )
        .await
        .map(drop)
    }

    async fn make_own_sqlite(&self, db: &mut dyn SqlExecutor, now_ms: i64, entropy: &mut dyn Entropy) -> Result<()> {
        for sql in [
            tables::CHANGES,
            tables::CLIENT_MUTATIONS,
            tables::OUTCOMES,
            tables::META,
            tables::ORIGIN,
            triggers::REPLACED,
            MERGING,
        ] {
            db.batch(sql).await?;
        }
        db.execute(
            "INSERT INTO _plasma_changes (table_name, row_id, op, created_at, mark) \
             SELECT '', '', 'begin', ?, ? WHERE NOT EXISTS (SELECT 1 FROM _plasma_changes)",
            &[Value::Int(now_ms), Value::Int(random_mark(entropy))],
        )
        .await
        .map(drop)
    }

    /// Whether writes of this table go to the change log: synced tables, and `local_only` tables in a schema with
    /// policies, because a policy may read them and visibility needs their old images. Entries of `local_only` tables
    /// are never sent.
    pub fn is_logged(&self, table: &TableDef) -> bool {
        !table.local_only || !self.definition.policies.is_empty()
    }
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
