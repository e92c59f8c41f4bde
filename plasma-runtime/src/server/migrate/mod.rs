//! Migrations: from the tables that a database has to those that a program declares.

#[cfg(feature = "http-server")]
mod api;
mod apply;
mod apply_postgres;
#[cfg(feature = "sim")]
mod at_once;
mod diff;
mod ensure;
mod inspect;
mod inspect_postgres;
mod names_postgres;
mod notes;
mod online_postgres;
mod plan;
mod rows;
mod run;
mod shape;
mod sql_text;
mod step;
#[cfg(all(test, feature = "sqlite"))]
mod tests;
mod transaction;

#[cfg(feature = "http-server")]
pub use api::{Migrations, migrations};
pub use diff::{Change, Class, SchemaDiff, What};
pub(super) use ensure::READ_EPOCH;
pub(super) use notes::EPOCH;
pub use run::Migrated;
pub use step::{Sql, Step};
