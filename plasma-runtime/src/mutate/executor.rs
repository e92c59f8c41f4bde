//! The border between a mutator and a store.

use crate::error::Result;
use crate::future::{BoxFuture, MaybeSend};
use crate::query::ir;
use crate::value::Row;

/// Whether a write is checked against the caller's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The caller's policy decides (on the server; on the client as far as it holds the rows).
    Checked,
    /// The server's way around, `tx.trusted()`.
    Trusted,
}

/// Runs the statements of one transaction. Object safe and untyped: it sees only the query representation and values.
pub trait Executor: MaybeSend {
    /// Runs a query. A mutator reads unfiltered: on the server everything, on the client what the client holds.
    fn query<'a>(&'a mut self, query: &'a ir::Query) -> BoxFuture<'a, Result<Vec<Row>>>;

    /// Runs a write; returns how many rows it matched.
    fn write(&mut self, write: ir::Write, access: Access) -> BoxFuture<'_, Result<u64>>;
}
