//! Databases behind the engines.

pub mod ddl;
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use sql::{SqlConnection, SqlExecutor};
