//! Databases behind the engines.

pub mod ddl;
pub mod query;
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use sql::{SqlConnection, SqlExecutor};
