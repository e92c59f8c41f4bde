//! The border between a mutator and a store.

use crate::error::{Error, Result};
use crate::future::{BoxFuture, MaybeSend, ready};
use crate::query::ir;
use crate::value::{Kind, Row, Value};

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

    /// Runs a write; returns the rows it matched, in order of their ids: as they are stored after an insert or an
    /// update, as they were before a delete.
    fn write_returning(&mut self, write: ir::Write, access: Access) -> BoxFuture<'_, Result<Vec<Row>>>;

    /// Runs raw SQL that only reads. There is none on a client.
    fn sql<'a>(&'a mut self, sql: &'a str, params: &'a [Value], kinds: &'a [Kind]) -> BoxFuture<'a, Result<Vec<Row>>> {
        let _ = (sql, params, kinds);
        ready(Err(Error::internal("raw SQL runs on the server only")))
    }
}
