//! Live queries: results that are kept up to date, and what changed in them.
//!
//! A commit of the client store comes as a [`Batch`](crate::client::event::Batch) to the `router`, in the same turn of
//! the writer. The router runs the queries whose tables were touched, each distinct one once (`node`), and compares
//! the keyed rows with those before (`diff`). Each live query decodes what changed (`typed`) and queues the calls of
//! its subscribers, which run when the turn is over. Queries are run again as a whole for now; the types below are those
//! that incremental maintenance will use.

mod delta;
mod diff;
mod handle;
mod node;
mod router;
mod rows;
mod source;
mod statement;
mod typed;

pub use delta::{Added, Changed, Delta, Removed};
pub use handle::{LiveQuery, LiveRow, LiveStream, Subscription};
pub(crate) use router::Router;
pub use rows::{LiveState, Output, Rows};
pub(crate) use typed::Host;

#[cfg(test)]
mod tests;
