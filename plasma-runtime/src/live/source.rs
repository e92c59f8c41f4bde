//! How a live query reads its rows.

use crate::error::Result;
use crate::future::{MaybeSend, MaybeSync};
use crate::query::typed::Query;
use crate::value::Row;

/// Reads a row.
pub(crate) trait Decode<R>: MaybeSend + MaybeSync {
    /// The row with its types.
    fn decode(&self, row: Row) -> Result<R>;
}

/// A typed query reads its own rows.
pub(crate) struct ByQuery<Q>(pub Q);

impl<Q: Query> Decode<Q::Row> for ByQuery<Q> {
    fn decode(&self, row: Row) -> Result<Q::Row> {
        self.0.decode(row)
    }
}

/// A function that reads rows.
#[cfg(feature = "client")]
pub(crate) struct ByFn<F>(pub F);

#[cfg(feature = "client")]
impl<R, F: Fn(Row) -> Result<R> + MaybeSend + MaybeSync> Decode<R> for ByFn<F> {
    fn decode(&self, row: Row) -> Result<R> {
        (self.0)(row)
    }
}
