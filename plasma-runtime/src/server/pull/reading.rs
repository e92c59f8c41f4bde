//! The transaction of a read: one snapshot for all of it.

use std::borrow::Cow;

use crate::error::Result;
use crate::query::lower::Dialect;
use crate::server::ServerEngine;
use crate::store::SqlExecutor;
use crate::store::ddl::quote;

/// Ends a transaction that has only read. Nothing was written, so both ends do; and a failed end must not hide why the
/// read failed.
pub(in crate::server) async fn end_reading<T>(db: &mut dyn SqlExecutor, read: Result<T>) -> Result<T> {
    let end = db.execute(if read.is_ok() { "COMMIT" } else { "ROLLBACK" }, &[]).await;
    let read = read?;
    end?;
    Ok(read)
}

impl ServerEngine {
    /// Begins the transaction of a pull: one snapshot for all it reads.
    pub(in crate::server) async fn begin_reading(&self, db: &mut dyn SqlExecutor) -> Result<()> {
        let sql = self.reading(db.dialect());
        match db.dialect() {
            Dialect::Sqlite => db.execute(&sql, &[]).await.map(drop),
            Dialect::Postgres => db.batch(&sql).await,
        }
    }

    /// The statements that begin it.
    pub(super) fn reading(&self, dialect: Dialect) -> Cow<'static, str> {
        if dialect == Dialect::Sqlite {
            return dialect.begin_reading().into();
        }
        // To a snapshot taken before it commits, a `TRUNCATE` or a rewrite of a table has emptied it already. So the
        // tables are taken before the snapshot is: such a statement has been, or waits. `_plasma_meta` comes first, as a
        // migration takes it first, too: it would wait for tables we have, and we for what it has.
        let tables = self.definition.schema.tables.iter().map(|table| quote(table.name));
        let tables: Vec<String> = std::iter::once("_plasma_meta".to_owned()).chain(tables).collect();
        let lock = format!("; LOCK TABLE {} IN ACCESS SHARE MODE", tables.join(", "));
        // The walk has the database write rows as JSON: floats in full.
        format!("{}; SET LOCAL extra_float_digits = 1{lock}", dialect.begin_reading()).into()
    }
}
