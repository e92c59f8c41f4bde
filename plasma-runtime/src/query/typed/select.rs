//! Queries, typed by their rows.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::assign::Order;
use super::condition::Predicate;
use super::project::Projection;
use super::raw::{Fault, Raw};
use super::scope::{Outer, Root, ScopeIn, Within};
use crate::error::Result;
use crate::query::ir;
use crate::schema::{RowReader, Schema, Table};
use crate::value::{Row, Value};

/// A query: what is asked, and how its rows are read. [`Select`] and [`AnyQuery`] are queries.
///
/// A function that builds a query returns `Select<Todo>` or `AnyQuery<Row>`; `impl Query` would capture the lifetimes
/// of its arguments.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a query",
    label = "expected a query such as `Todo::select()`"
)]
pub trait Query: Clone + Send + Sync + 'static {
    /// The Rust type of a row.
    type Row: 'static;

    /// What is asked.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when a value in a condition is one that no column can hold, such
    /// as text with U+0000.
    fn ir(&self) -> Result<&ir::Query>;

    /// Reads one row of the answer.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the row does not hold what the query asks for.
    fn decode(&self, row: Row) -> Result<Self::Row>;
}

/// The query reads only tables of schema `S`, as far as its type says. Tables of sub-queries, and of an [`AnyQuery`],
/// are checked when it runs.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a query of schema `{S}`",
    label = "expected a query such as `Todo::select()` over tables of `{S}`"
)]
pub trait ReadsIn<S: Schema>: Query {}
impl<S: Schema, Out: 'static, Sc: ScopeIn<S> + 'static> ReadsIn<S> for Select<Out, Sc> {}
impl<S: Schema, R: 'static> ReadsIn<S> for AnyQuery<R> {}

/// How a row of values becomes an `R`.
enum Decoder<R> {
    Plain(fn(Row) -> Result<R>),
    Mapped(Arc<dyn Fn(Row) -> Result<R> + Send + Sync>),
}

impl<R> Decoder<R> {
    fn decode(&self, row: Row) -> Result<R> {
        match self {
            Decoder::Plain(decode) => decode(row),
            Decoder::Mapped(decode) => decode(row),
        }
    }
}

impl<R> Clone for Decoder<R> {
    fn clone(&self) -> Self {
        match self {
            Decoder::Plain(decode) => Decoder::Plain(*decode),
            Decoder::Mapped(decode) => Decoder::Mapped(decode.clone()),
        }
    }
}

fn decode_row<T: Table>(row: Row) -> Result<T> {
    (T::CODEC.decode)(&mut RowReader::new(row))
}

fn decode_projection<P: Projection<Sc, I>, Sc, I>(row: Row) -> Result<P::Out> {
    P::read(&mut RowReader::new(row))
}

/// A query with rows of type `Out` over the tables of the scope `Sc`.
///
/// Begins as [`Todo::select()`](Table::select). Rows come in the given order, ties (and no order at all) by `id`.
#[must_use = "a query does nothing until it is run"]
pub struct Select<Out, Sc = Root<Out>> {
    ir: ir::Query,
    fault: Option<Fault>,
    decoder: Decoder<Out>,
    scope: PhantomData<fn() -> Sc>,
}

impl<T: Table> Select<T> {
    /// All rows of the table.
    pub(crate) fn table() -> Self {
        Select { ir: ir::Query::all(T::DEF), fault: None, decoder: Decoder::Plain(decode_row::<T>), scope: PhantomData }
    }
}

impl<Out, Sc> Select<Out, Sc> {
    /// Keeps the rows that satisfy the condition. Several filters must all hold; `None` lets every row pass.
    pub fn filter<P: Predicate<Sc, I>, I>(mut self, condition: P) -> Self {
        if let Some(condition) = condition.into_raw() {
            self.add_condition(condition);
        }
        self
    }

    pub(crate) fn add_condition(&mut self, condition: Raw) {
        if condition.is_all() {
            return;
        }
        self.fault = self.fault.take().or(condition.fault);
        self.ir.filter = Some(match self.ir.filter.take() {
            None => condition.ir,
            Some(first) => first.and(condition.ir),
        });
    }

    /// Orders the rows. A second call orders the rows that are equal by the first.
    pub fn order_by<S: Within<Sc, I>, I>(mut self, order: Order<S>) -> Self {
        self.fault = self.fault.or(order.raw.fault);
        self.ir.order.push(ir::Order { expr: order.raw.ir, descending: order.descending });
        self
    }

    /// At most this many rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.ir.limit = Some(rows);
        self
    }

    /// Without the first so many rows.
    pub fn offset(mut self, rows: u64) -> Self {
        self.ir.offset = Some(rows);
        self
    }

    /// Returns these values of each row instead of the whole row.
    pub fn project<P: Projection<Sc, I>, I>(self, projection: P) -> Select<P::Out, Sc> {
        let mut raws = Vec::new();
        projection.push(&mut raws);
        let mut fault = self.fault;
        let mut ir = self.ir;
        let exprs = raws.into_iter().map(|raw| {
            fault = fault.take().or(raw.fault);
            raw.ir
        });
        ir.select = ir::Select::Exprs(exprs.collect());
        Select { ir, fault, decoder: Decoder::Plain(decode_projection::<P, Sc, I>), scope: PhantomData }
    }

    /// Lets the conditions of a sub-query mention the columns of table `T`, which belongs to the query around it. Then
    /// give it to [`exists`](super::exists) or [`in_query`](super::Col::in_query).
    ///
    /// `T` must be another table than the query's own. For a table that refers to itself use
    /// [`has`](super::Col::has) or [`any`](super::Col::any), which know which row they speak of.
    pub fn correlate<T: Table>(mut self) -> Select<Out, Outer<Sc, T>> {
        if self.ir.base().name == T::NAME {
            self.fault = Some(Fault::new(&format!(
                "a query over `{0}` cannot be correlated with `{0}` itself: use `.has(..)` or `.any(..)`",
                T::NAME
            )));
        }
        Select { ir: self.ir, fault: self.fault, decoder: self.decoder, scope: PhantomData }
    }

    /// The untyped query, with the reason why it cannot be run.
    pub(crate) fn into_parts(self) -> (ir::Query, Option<Fault>) {
        (self.ir, self.fault)
    }
}

impl<Out: 'static, Sc> Select<Out, Sc> {
    /// The same query with the form of its scope forgotten.
    pub fn any(self) -> AnyQuery<Out> {
        AnyQuery { ir: self.ir, fault: self.fault, decoder: self.decoder }
    }

    /// Turns each row into something else. Comes last: conditions and order are given before.
    pub fn map<R: 'static>(self, f: impl Fn(Out) -> R + Send + Sync + 'static) -> AnyQuery<R> {
        self.any().map(f)
    }

    /// How many rows there are. Minds `limit` and `offset`.
    pub fn count(self) -> AnyQuery<u64> {
        self.any().count()
    }
}

impl<Out: 'static, Sc: 'static> Query for Select<Out, Sc> {
    type Row = Out;
    fn ir(&self) -> Result<&ir::Query> {
        checked(&self.ir, self.fault.as_ref())
    }
    fn decode(&self, row: Row) -> Result<Out> {
        self.decoder.decode(row)
    }
}

fn checked<'q>(ir: &'q ir::Query, fault: Option<&Fault>) -> Result<&'q ir::Query> {
    fault.map_or(Ok(ir), |fault| Err(fault.error()))
}

/// A query known by its rows alone: to name, to store, to choose at run time. Equal when it asks the same.
#[must_use = "a query does nothing until it is run"]
pub struct AnyQuery<R> {
    ir: ir::Query,
    fault: Option<Fault>,
    decoder: Decoder<R>,
}

impl<R: 'static> AnyQuery<R> {
    /// Turns each row into something else.
    pub fn map<R2: 'static>(self, f: impl Fn(R) -> R2 + Send + Sync + 'static) -> AnyQuery<R2> {
        let decoder = self.decoder;
        let mapped = Decoder::Mapped(Arc::new(move |row| decoder.decode(row).map(&f)));
        AnyQuery { ir: self.ir, fault: self.fault, decoder: mapped }
    }

    /// How many rows there are. Minds `limit` and `offset`.
    pub fn count(self) -> AnyQuery<u64> {
        let (ir, shape) = counting(self.ir);
        let decoder = Decoder::Mapped(Arc::new(move |row| shape.read(&row)));
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
        self.decoder.decode(row)
    }
}

impl<Out, Sc> Clone for Select<Out, Sc> {
    fn clone(&self) -> Self {
        Select { ir: self.ir.clone(), fault: self.fault.clone(), decoder: self.decoder.clone(), scope: PhantomData }
    }
}
impl<R> Clone for AnyQuery<R> {
    fn clone(&self) -> Self {
        AnyQuery { ir: self.ir.clone(), fault: self.fault.clone(), decoder: self.decoder.clone() }
    }
}
impl<Out, Sc> fmt::Debug for Select<Out, Sc> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Select").field(&self.ir).finish()
    }
}
impl<R> fmt::Debug for AnyQuery<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyQuery").field(&self.ir).finish()
    }
}
impl<Out, Sc> PartialEq for Select<Out, Sc> {
    fn eq(&self, other: &Self) -> bool {
        self.ir == other.ir && self.fault == other.fault
    }
}
impl<R> PartialEq for AnyQuery<R> {
    fn eq(&self, other: &Self) -> bool {
        self.ir == other.ir && self.fault == other.fault
    }
}
