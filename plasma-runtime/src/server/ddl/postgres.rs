//! What `ensure_schema` makes on Postgres.

use sha2::{Digest, Sha256};

use super::{hex, random_mark};
use crate::error::{Error, ErrorKind, Result};
use crate::inputs::Entropy;
use crate::schema::TableDef;
use crate::server::sequence::ONE_RUN;
use crate::server::{ServerEngine, advisory, tables, triggers};
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
    let sql = sql.replace("{sequencer}", &advisory::SEQUENCER.to_string());
    let sql = sql.replace("{one_run}", &ONE_RUN.to_string());
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

impl ServerEngine {
    /// As [`revision`](Self::revision), on Postgres: of the library's own tables and functions, too.
    pub(in crate::server) fn revision_postgres(&self, schema: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(user::functions(schema));
        hash.update(own(schema));
        for table in self.definition.schema.tables {
            hash.update(user::create_table(table));
            user::foreign_keys(table).iter().for_each(|sql| hash.update(sql));
            table.checks.iter().for_each(|check| hash.update(check.text));
            if self.is_logged(table) {
                hash.update(log_of(table, schema));
            }
        }
        hex(&hash.finalize()[..8])
    }

    /// The server's own tables and functions, and the first position, where they are missing.
    pub(super) async fn make_own_postgres(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        entropy: &mut dyn Entropy,
    ) -> Result<()> {
        let schema = current_schema(db).await?;
        db.batch(&user::functions(&schema)).await?;
        db.batch(&own(&schema)).await?;
        // An empty log has a position. No unit comes before it, and what it has seen is nothing.
        db.execute(
            "INSERT INTO _plasma_commits (unit, last_seq, row_version, mark, created_at) \
             SELECT 0, 0, 1, ?, ? WHERE NOT EXISTS (SELECT FROM _plasma_commits)",
            &[Value::Int(random_mark(entropy)), Value::Int(now_ms)],
        )
        .await
        .map(drop)
    }
}
