//! Live queries on the server: results that follow the change log.
//!
//! One task per server (the `hub`) follows the log for everybody: a poke, or a look every second, wakes it; it sees which
//! tables have entries since its last step (`changes`) and runs again only the queries that read one of them, all in one
//! read transaction. Equal queries are run once. Who follows a query (`select`) holds the result it has seen and takes
//! the newest one when it asks: nothing queues up behind a slow reader.

mod changes;
mod hub;
mod select;
#[cfg(all(test, feature = "sqlite"))]
mod tests;

pub(super) use hub::Hub;
pub use select::{LiveSelect, LiveStep};
