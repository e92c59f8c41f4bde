//! Queries, typed by their rows.

use std::fmt;
use std::marker::PhantomData;

use super::any::AnyQuery;
use super::assign::Order;
use super::condition::Predicate;
use super::project::Projection;
use super::raw::{Fault, Raw};
use super::row::{Cells, Decoder};
use super::scope::{Distinct, Outer, Projected, Root, RowScope, ScopeIn};
use super::source::Source;
use super::within::Within;
use crate::error::Result;
use crate::query::ir;
use crate::schema::{Schema, Table};
use crate::value::Row;

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
    /// as text with U+0000, or when the parts of the query do not fit together.
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

fn decode_scope<Sc: RowScope>(cells: &mut Cells) -> Result<Sc::Row> {
    Sc::read(&mut cells.values)
}

fn decode_projection<P: Projection<Sc, I>, Sc, I>(cells: &mut Cells) -> Result<P::Out> {
    P::read(&mut cells.values)
}

/// A query with rows of type `Out` over the tables of the scope `Sc`.
///
/// Begins as [`Todo::select()`](Table::select). Rows come in the given order, ties (and no order at all) by `id`.
///
/// The order of the calls does not matter to what a query means: conditions are about the rows of its tables, whatever
/// else has been said already, and `limit` and `offset` cut last.
#[must_use = "a query does nothing until it is run"]
pub struct Select<Out, Sc = Root<Out>> {
    pub(super) ir: ir::Query,
    pub(super) fault: Option<Fault>,
    pub(super) decoder: Decoder<Out>,
    scope: PhantomData<fn() -> Sc>,
}

impl<T: Table> Select<T> {
    /// All rows of the table.
    pub(crate) fn table() -> Self {
        Select::whole(ir::Query::all(T::DEF), None)
    }
}

impl<Sc: RowScope> Select<Sc::Row, Sc> {
    /// A query for whole rows.
    pub(super) fn whole(ir: ir::Query, fault: Option<Fault>) -> Self {
        Select::new(ir, fault, Decoder::Plain(decode_scope::<Sc>))
    }
}

impl<Out, Sc> Select<Out, Sc> {
    pub(super) fn new(ir: ir::Query, fault: Option<Fault>, decoder: Decoder<Out>) -> Self {
        Select { ir, fault, decoder, scope: PhantomData }
    }

    /// The same query, seen in another scope.
    pub(super) fn rescope<Sc2>(self) -> Select<Out, Sc2> {
        Select::new(self.ir, self.fault, self.decoder)
    }

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
        let (keys, fault) = order.into_keys();
        self.fault = self.fault.or(fault);
        self.ir.order.extend(keys);
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

    /// Returns these values of each row instead of the whole row. Columns of a left-joined table are `Option`s.
    pub fn project<P: Projection<Sc, I>, I>(self, projection: P) -> Select<P::Out, Projected<Sc>>
    where
        Sc: RowScope,
    {
        let mut raws = Vec::new();
        projection.push(&mut raws);
        let (exprs, fault) = take_faults(raws, self.fault);
        let mut ir = self.ir;
        ir.select = ir::Select::Exprs(exprs);
        Select::new(ir, fault, Decoder::Plain(decode_projection::<P, Sc, I>))
    }

    /// Lets the conditions of a sub-query mention the columns of table `T`, which belongs to the query around it. Then
    /// give it to [`exists`](super::exists), [`in_query`](super::Col::in_query) or [`scalar`](super::scalar).
    ///
    /// `T` must be another table than the query's own. For a table that refers to itself use
    /// [`has`](super::Col::has) or [`any`](super::Col::any), which know which row they speak of, or an
    /// [`alias!`](crate::alias).
    pub fn correlate<T: Source>(mut self) -> Select<Out, Outer<Sc, T>> {
        if self.ir.sources().any(|source| source.name == T::NAME) {
            self.fault = Some(Fault::new(&format!(
                "a query over `{0}` cannot be correlated with `{0}` itself: use `.has(..)` or `.any(..)`, or an alias",
                T::NAME
            )));
        }
        self.rescope()
    }

    /// The untyped query, with the reason why it cannot be run.
    pub(crate) fn into_parts(self) -> (ir::Query, Option<Fault>) {
        let fault = self.fault.or_else(|| fault_of(&self.ir));
        (self.ir, fault)
    }
}

impl<Out, Sc> Select<Out, Projected<Sc>> {
    /// Equal rows come once. What the rows are ordered by must be selected.
    pub fn distinct(mut self) -> Select<Out, Distinct<Sc>> {
        self.ir.distinct = true;
        self.rescope()
    }
}

/// The expressions, and the first fault.
pub(super) fn take_faults(raws: Vec<Raw>, mut fault: Option<Fault>) -> (Vec<ir::Expr>, Option<Fault>) {
    let exprs = raws.into_iter().map(|raw| {
        fault = fault.take().or(raw.fault);
        raw.ir
    });
    (exprs.collect(), fault)
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
        self.decoder.decode(&mut Cells::new(row, self.ir.nested.len())?)
    }
}

/// The query, unless something is wrong with it.
pub(super) fn checked<'q>(ir: &'q ir::Query, fault: Option<&Fault>) -> Result<&'q ir::Query> {
    match fault.cloned().or_else(|| fault_of(ir)) {
        None => Ok(ir),
        Some(fault) => Err(fault.error()),
    }
}

/// What is wrong with the parts of a query together.
fn fault_of(query: &ir::Query) -> Option<Fault> {
    let ir::Select::Exprs(selected) = &query.select else { return None };
    let stray = query.order.iter().find(|key| query.distinct && !selected.contains(&key.expr))?;
    let key = match &stray.expr {
        ir::Expr::Column(column) => format!("`{}.{}`", column.table, column.column),
        _ => "a key that is not a column".to_owned(),
    };
    Some(Fault::new(&format!(
        "a distinct query is ordered by {key}, which it does not select: rows that are equal could have several places"
    )))
}

impl<Out, Sc> Clone for Select<Out, Sc> {
    fn clone(&self) -> Self {
        Select::new(self.ir.clone(), self.fault.clone(), self.decoder.clone())
    }
}
impl<Out, Sc> fmt::Debug for Select<Out, Sc> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Select").field(&self.ir).finish()
    }
}
impl<Out, Sc> PartialEq for Select<Out, Sc> {
    fn eq(&self, other: &Self) -> bool {
        self.ir == other.ir && self.fault == other.fault
    }
}
