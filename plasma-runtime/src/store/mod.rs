//! Databases behind the engines.

pub mod cells;
#[cfg(feature = "client")]
pub(crate) mod checks;
pub mod ddl;
#[cfg(feature = "sqlite")]
pub(crate) mod image;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod query;
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use sql::{SqlConnection, SqlExecutor, SqlStep};

use crate::error::Error;
use crate::query::lower::Dialect;

/// Whether a statement itself is to blame for an error of its database, and would fail again.
#[cfg_attr(not(feature = "server"), allow(dead_code))]
pub(crate) fn is_statement(dialect: Dialect, error: &Error) -> bool {
    match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => sqlite::error::is_statement(error),
        #[cfg(feature = "postgres")]
        Dialect::Postgres => postgres::error::is_statement(error),
        #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
        _ => {
            let _ = error;
            false
        }
    }
}
