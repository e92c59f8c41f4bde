//! Databases behind the engines.

mod sql;

pub use sql::{SqlConnection, SqlExecutor};
