//! What `ensure_schema` makes on Postgres.

use sha2::{Digest, Sha256};

use super::hex;
use crate::schema::TableDef;
use crate::server::{tables, triggers};
use crate::store::ddl::quote;

/// The server's own tables and functions in this Postgres schema, which has to be the connection's current one.
pub(in crate::server) fn own(schema: &str) -> String {
    use tables::postgres::{CHANGES, CLIENT_MUTATIONS, COMMITS, FUNCTIONS, META, OUTCOMES, SEQUENCE};
    let tables = [SEQUENCE, COMMITS, CHANGES, CLIENT_MUTATIONS, OUTCOMES, META].join(";\n");
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
