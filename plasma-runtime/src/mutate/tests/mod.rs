//! The transaction over an executor that records, the rules on arguments, and the erased mutators and policies.

mod args;
mod effects;
mod erased;
mod now;
mod reads;
mod run;
#[cfg(all(feature = "client", feature = "http-server", feature = "sqlite"))]
mod upsert;
mod validate;
mod writes;

use uuid::Uuid;

use super::{Access, Executor, Location, Reason, TxMeta};
use crate::error::Result;
use crate::future::{BoxFuture, poll_once, ready};
use crate::query::ir;
use crate::schema::Id;
use crate::value::Row;

/// Remembers what it is asked, answers with what it was given.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    pub(super) queries: Vec<ir::Query>,
    pub(super) writes: Vec<(ir::Write, Access)>,
    /// The answers of the next queries, in order; none is no rows.
    pub(super) answers: Vec<Vec<Row>>,
    /// How many rows each write says it matched; none is one.
    pub(super) matched: Option<u64>,
}

impl Executor for Recorder {
    fn query<'a>(&'a mut self, query: &'a ir::Query) -> BoxFuture<'a, Result<Vec<Row>>> {
        self.queries.push(query.clone());
        ready(Ok(if self.answers.is_empty() { Vec::new() } else { self.answers.remove(0) }))
    }

    fn write(&mut self, write: ir::Write, access: Access) -> BoxFuture<'_, Result<u64>> {
        self.writes.push((write, access));
        ready(Ok(self.matched.unwrap_or(1)))
    }

    fn write_returning(&mut self, write: ir::Write, access: Access) -> BoxFuture<'_, Result<Vec<Row>>> {
        self.writes.push((write, access));
        ready(Ok(if self.answers.is_empty() { Vec::new() } else { self.answers.remove(0) }))
    }
}

impl Recorder {
    /// The inserted rows, in order.
    pub(super) fn inserted(&self) -> Vec<&Row> {
        self.writes
            .iter()
            .filter_map(|(write, _)| match write {
                ir::Write::Insert { row, .. } => Some(row),
                _ => None,
            })
            .collect()
    }
}

/// The envelope of a run.
fn meta(location: Location, reason: Reason) -> TxMeta {
    TxMeta::new(location, reason, Uuid::from_u128(0x1234), 1_730_100_000_000)
}

fn on_client() -> TxMeta {
    meta(Location::Client, Reason::Optimistic)
}

fn on_server() -> TxMeta {
    meta(Location::Server, Reason::Authoritative)
}

/// Runs what awaits only its transaction.
fn run<T>(future: impl Future<Output = T> + Send) -> T {
    poll_once(Box::pin(future)).expect("a transaction over a recorder is ready at once")
}

fn id<T>(n: u128) -> Id<T> {
    Id::from_uuid(Uuid::from_u128(n))
}
