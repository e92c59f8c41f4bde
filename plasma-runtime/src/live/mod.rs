//! Live queries: results that are kept up to date, and what changed in them.
//!
//! On the client a commit of the store comes as a batch of row changes to the `router`, in the same turn of the writer. The
//! router finds the queries that the rows concern (`routes`) and hands each distinct one its changes, once (`node`). A
//! query is `maintained` by stages that keep what they need ([`ivm`]); one that has no stages is run again and compared
//! with what it was (`diff`). Each live query decodes what changed (`typed`) and queues the calls of its subscribers, which
//! run when the turn is over. On the server [`ServerDb`](crate::server::ServerDb) follows the change log with the same
//! stages.

mod change;
mod delta;
mod diff;
#[cfg(feature = "client")]
mod explain;
#[cfg(feature = "client")]
mod handle;
pub mod ivm;
mod maintained;
#[cfg(feature = "client")]
mod node;
#[doc(hidden)]
#[cfg(feature = "bench-internals")]
pub mod probe;
mod raw;
#[cfg(feature = "client")]
mod router;
#[cfg(feature = "client")]
mod routes;
mod rows;
mod source;
mod statement;
#[cfg(feature = "client")]
mod typed;

pub use change::RowChange;
pub use delta::{Added, Changed, Delta, Removed};
#[cfg(feature = "client")]
pub(crate) use explain::explain;
#[cfg(feature = "client")]
pub use explain::{Explanation, TableUse};
#[cfg(feature = "client")]
pub use handle::{LivePause, LiveQuery, LiveRow, LiveStream, Subscription};
#[cfg(feature = "http-server")]
pub(crate) use maintained::{Maintained, Stepped};
#[cfg(feature = "http-server")]
pub(crate) use raw::RawRows;
#[cfg(feature = "client")]
pub(crate) use router::Router;
pub use rows::{LiveState, Output, Rows};
#[cfg(feature = "http-server")]
pub(crate) use source::{ByQuery, Decode};
#[cfg(feature = "http-server")]
pub(crate) use statement::Statement;
#[cfg(feature = "client")]
pub(crate) use typed::Host;

#[cfg(all(test, feature = "client"))]
mod tests;
