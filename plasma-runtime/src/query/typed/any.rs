//! Queries known by their rows alone, and counting.

use std::fmt;
use std::sync::Arc;

use super::raw::Fault;
use super::row::{Cells, Decoder};
use super::select::{Query, checked};
use crate::error::Result;
use crate::query::ir;
use crate::value::{Row, Value};

/// A query known by its rows alone: to name, to store, to choose at run time. Equal when it asks the same.
#[must_use = "a query does nothing until it is run"]
pub struct AnyQuery<R> {
    pub(super) ir: ir::Query,
    pub(super) fault: Option<Fault>,
    pub(super) decoder: Decoder<R>,
}

impl<R: 'static> AnyQuery<R> {
    /// A query without rows, over no table: `user.map_or_else(AnyQuery::none, |user| open_of(user).any())`.
    pub fn none() -> Self {
        let nothing = ir::Source { name: "nothing", rows: ir::Rows::Nothing };
        let null = ir::Expr::Literal(Value::Null);
        let ir = ir::Query { select: ir::Select::Exprs(vec![null]), ..ir::Query::of(nothing) };
        let decoder =
            Decoder::Plain(|_| Err(crate::Error::new(crate::ErrorKind::Storage, "a query without rows has a row")));
        AnyQuery { ir, fault: None, decoder }
    }

    /// The query with something done to it; what cannot be done is told when it runs.
    pub(super) fn changed(mut self, change: impl FnOnce(&mut ir::Query) -> Result<(), Fault>) -> Self {
        if let Err(fault) = change(&mut self.ir) {
            self.fault = self.fault.or(Some(fault));
        }
        self
    }

    /// Turns each row into something else.
    pub fn map<R2: 'static>(self, f: impl Fn(R) -> R2 + Send + Sync + 'static) -> AnyQuery<R2> {
        let decoder = self.decoder;
        let mapped = Decoder::Mapped(Arc::new(move |cells: &mut Cells| decoder.decode(cells).map(&f)));
        AnyQuery { ir: self.ir, fault: self.fault, decoder: mapped }
    }

    /// How many rows there are. Minds `limit` and `offset`.
    pub fn count(self) -> AnyQuery<u64> {
        let (ir, shape) = counting(self.ir);
        let decoder = Decoder::mapped(move |cells| shape.read(&[cells.values.next_value()?]));
        AnyQuery { ir, fault: self.fault, decoder }
    }
}

/// What becomes of the number of matching rows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Counting {
    /// The query counts already: its answer is one row.
    One,
    /// The matching rows, without so many, and at most so many.
    Rows { offset: u64, limit: Option<u64> },
}

/// The query that counts the rows of `query`.
pub(super) fn counting(mut query: ir::Query) -> (ir::Query, Counting) {
    if query.select == ir::Select::Count {
        return (query, Counting::One);
    }
    let shape = Counting::Rows { offset: query.offset.take().unwrap_or(0), limit: query.limit.take() };
    query.order.clear();
    query.nested.clear();
    if query.distinct {
        // The rows of a distinct query are known only once they are there.
        let names = (0..query.width()).map(super::derived::column_name).collect();
        query = ir::Query::of(ir::Source { name: "counted", rows: ir::Rows::Query(Box::new(query), names) });
    }
    query.select = ir::Select::Count;
    (query, shape)
}

impl Counting {
    /// The number of rows, read from the one row of the answer.
    pub(super) fn read(self, row: &[Value]) -> Result<u64> {
        let matching = row.first().and_then(Value::as_int).and_then(|n| u64::try_from(n).ok()).ok_or_else(|| {
            crate::Error::new(crate::ErrorKind::Storage, format!("expected a number of rows, found {row:?}"))
        })?;
        Ok(match self {
            Counting::One => 1,
            Counting::Rows { offset, limit } => matching.saturating_sub(offset).min(limit.unwrap_or(u64::MAX)),
        })
    }
}

impl<R: 'static> Query for AnyQuery<R> {
    type Row = R;
    fn ir(&self) -> Result<&ir::Query> {
        checked(&self.ir, self.fault.as_ref())
    }
    fn decode(&self, row: Row) -> Result<R> {
        self.decoder.decode(&mut Cells::new(row, self.ir.nested.len())?)
    }
}

impl<R> Clone for AnyQuery<R> {
    fn clone(&self) -> Self {
        AnyQuery { ir: self.ir.clone(), fault: self.fault.clone(), decoder: self.decoder.clone() }
    }
}
impl<R> fmt::Debug for AnyQuery<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyQuery").field(&self.ir).finish()
    }
}
impl<R> PartialEq for AnyQuery<R> {
    fn eq(&self, other: &Self) -> bool {
        self.ir == other.ir && self.fault == other.fault
    }
}
