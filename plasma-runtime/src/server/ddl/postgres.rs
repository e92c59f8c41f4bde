//! What `ensure_schema` makes on Postgres.

use sha2::{Digest, Sha256};

use super::{hex, random_mark};
use crate::error::{Error, ErrorKind, Result};
use crate::inputs::Entropy;
use crate::schema::TableDef;
use crate::server::{ServerEngine, tables, triggers};
use crate::store::SqlExecutor;
use crate::store::ddl::postgres as user;
use crate::store::ddl::quote;
use crate::value::{Kind, Value};

/// The server's own tables and functions in this Postgres schema, which has to be the connection's current one.
pub(in crate::server) fn own(schema: &str) -> String {
    use tables::postgres::{CHANGES, CLIENT_MUTATIONS, COMMITS, FOLDED, FUNCTIONS, META, OUTCOMES, SEQUENCE};
    let tables = [SEQUENCE, COMMITS, CHANGES, FOLDED, CLIENT_MUTATIONS, OUTCOMES, META].join(";\n");
    format!("{tables};\n{}", pinned(FUNCTIONS, schema))
}

/// The functions and triggers that log a table of this Postgres schema.
pub(in crate::server) fn log_of(table: &TableDef, schema: &str) -> String {
    pinned(&triggers::postgres::create(table), schema)
}

/// Names the Postgres schema in the text of functions.
fn pinned(sql: &str, schema: &str) -> String {
    // A name of letters and digits, and one that no other schema of the database has.
    let setting = format!("plasma.unit_{}", hex(&Sha256::digest(schema)[..8]));
    let schema = quote(schema);
    let sql = sql.replace("{setting}", &setting).replace("{schema_text}", &schema.replace('\'', "''"));
    sql.replace("{schema}", &schema)
}

/// The connection's Postgres schema.
///
/// # Errors
/// [`Config`](ErrorKind::Config) when its search path names none that is there.
pub(in crate::server) async fn current_schema(db: &mut dyn SqlExecutor) -> Result<String> {
    let rows = db.query("SELECT CAST(current_schema() AS text)", &[], &[Kind::Text]).await?;
    let schema = rows.into_iter().flatten().next().and_then(|name| name.as_text().map(str::to_owned));
    schema.ok_or_else(|| {
        Error::new(ErrorKind::Config, "the connection's search path names no Postgres schema that exists")
    })
}

/// Held by whoever makes tables, until its transaction ends: of servers that start at once one does it and the others
/// find it done. The second number tells Postgres schemas apart.
const ALONE: &str = "SELECT pg_advisory_xact_lock(1886151028, hashtext(current_schema()))";

impl ServerEngine {
    /// [`ensure_schema`](Self::ensure_schema) on Postgres.
    pub(super) async fn ensure_postgres(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        entropy: &mut dyn Entropy,
    ) -> Result<()> {
        let schema = current_schema(db).await?;
        let (made, revision) = self.statements(&schema);
        if self.is_current_postgres(db, &revision).await? {
            return Ok(());
        }
        db.batch("BEGIN").await?;
        let mut done = self.make_postgres(db, now_ms, entropy, &made, &revision).await;
        if done.is_ok() {
            done = db.batch("COMMIT").await;
        }
        if done.is_err() && db.in_transaction() {
            db.batch("ROLLBACK").await?;
        }
        done
    }

    /// All that is made, in order, and what tells it from what another version of this library makes.
    fn statements(&self, schema: &str) -> (Vec<String>, String) {
        let mut made = vec![user::functions(schema), own(schema)];
        let tables = self.definition.schema.tables;
        made.extend(tables.iter().map(|table| user::create_table(table)));
        made.extend(tables.iter().flat_map(|table| user::foreign_keys(table)));
        made.extend(tables.iter().filter(|table| self.is_logged(table)).map(|table| log_of(table, schema)));
        let mut hash = Sha256::new();
        made.iter().for_each(|sql| hash.update(sql));
        (made, hex(&hash.finalize()[..8]))
    }

    async fn is_current_postgres(&self, db: &mut dyn SqlExecutor, revision: &str) -> Result<bool> {
        let there = db.query("SELECT to_regclass('_plasma_meta') IS NOT NULL", &[], &[Kind::Bool]).await?;
        if there.first().is_none_or(|row| row[0] != Value::Bool(true)) {
            return Ok(false);
        }
        const SQL: &str =
            "SELECT key, value FROM _plasma_meta WHERE key IN ('fingerprint', 'schema_version', 'triggers')";
        let rows = db.query(SQL, &[], &[Kind::Text, Kind::Text]).await?;
        let noted = |key: &str| rows.iter().find(|row| row[0].as_text() == Some(key)).and_then(|row| row[1].as_text());
        let schema = &self.definition.schema;
        let (found, ours) = (noted("fingerprint"), schema.fingerprint_hex());
        if let Some(found) = found.filter(|found| **found != *ours) {
            let version = noted("schema_version").unwrap_or_default();
            return Err(Error::new(
                ErrorKind::SchemaMismatch,
                format!(
                    "the database was made for schema version `{version}` (fingerprint {found}), this server has \
                     version `{}` (fingerprint {ours}): migrate it, start the server that fits, or open another database",
                    schema.version
                ),
            ));
        }
        Ok(found.is_some() && noted("schema_version") == Some(schema.version) && noted("triggers") == Some(revision))
    }

    async fn make_postgres(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        entropy: &mut dyn Entropy,
        made: &[String],
        revision: &str,
    ) -> Result<()> {
        db.batch(ALONE).await?;
        // Somebody else may have done it between the first look and the lock.
        if self.is_current_postgres(db, revision).await? {
            return Ok(());
        }
        for sql in made {
            db.batch(sql).await?;
        }
        let found = db.query(user::INDEXES, &[], &[Kind::Text, Kind::Text, Kind::Bool]).await?;
        for change in user::index_changes(self.definition.schema.tables, &found, false) {
            db.batch(&change).await?;
        }
        // An empty log has a position. No unit comes before it, and what it has seen is nothing.
        db.execute(
            "INSERT INTO _plasma_commits (unit, last_seq, row_version, mark, created_at) \
             SELECT 0, 0, 1, ?, ? WHERE NOT EXISTS (SELECT FROM _plasma_commits)",
            &[Value::Int(random_mark(entropy)), Value::Int(now_ms)],
        )
        .await?;
        let mut digest_key = [0u8; 32];
        entropy.fill(&mut digest_key);
        db.execute(
            "INSERT INTO _plasma_meta (key, value) VALUES ('digest_key', ?) ON CONFLICT (key) DO NOTHING",
            &[Value::Text(hex(&digest_key))],
        )
        .await?;
        let schema = &self.definition.schema;
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
}
