//! Tests of the server engine over hand-written tables and one mutator that does what its arguments say.

mod effects;
pub(super) mod fixture;
mod group;
mod handle;
mod ledger;
mod merging;
mod mvcc;
#[cfg(feature = "postgres")]
mod on_postgres;
mod policy;
#[cfg(feature = "postgres")]
mod postgres;
mod schema;
mod triggers;
mod upkeep;
