//! The triggers that write the change log, so that raw SQL by other programs is caught too.

mod merge_postgres;
pub(super) mod merge_sqlite;
pub(super) mod postgres;
pub(super) mod sqlite;

use crate::query::lower::Dialect;
use crate::schema::TableDef;

/// The row `relation` (`NEW`, `OLD` or an alias) as JSON in the form of the log.
pub(super) fn row_json(dialect: Dialect, table: &TableDef, relation: &str) -> String {
    if dialect == Dialect::Sqlite { sqlite::row_json(table, relation) } else { postgres::row_json(table, relation) }
}
