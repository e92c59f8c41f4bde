//! Which tables a query is over, as types: a column of a table that is not there does not compile.
//!
//! A scope is a type ([`Root<Todo>`](Root), later `Inner<Root<Todo>, User>`), and `T: Within<Scope, Idx>` says that
//! table `T` is part of it. `Idx` is the way to the table and always inferred.

use std::fmt;
use std::marker::PhantomData;

use crate::schema::{ColumnType, InSchema, Schema, Table};

/// The scope of a query over one table.
pub struct Root<T>(PhantomData<fn() -> T>);

/// The scope of a sub-query: `S`, and table `T` of the query around it.
pub struct Outer<S, T>(PhantomData<fn() -> (S, T)>);

impl<T> fmt::Debug for Root<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Root")
    }
}
impl<S, T> fmt::Debug for Outer<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outer")
    }
}

/// The table is the last one of the scope.
#[derive(Debug)]
pub struct Here;
/// The table is further in.
#[derive(Debug)]
pub struct There<I>(PhantomData<fn() -> I>);
/// No table is needed.
#[derive(Debug)]
pub struct Nowhere;

/// Whether the columns of a table may be NULL because the table is joined from the left.
pub trait Nullability {
    /// The type of a column of type `V` in a projection.
    type Apply<V: ColumnType>: ColumnType;
    /// Of two tables together.
    type Or<N: Nullability>: Nullability;
}

/// Every row has its row of the table.
#[derive(Debug)]
pub struct NotNull;
impl Nullability for NotNull {
    type Apply<V: ColumnType> = V;
    type Or<N: Nullability> = N;
}

/// Table `Self` (or every table of the tuple `Self`) is part of the scope.
#[diagnostic::on_unimplemented(
    message = "table `{Self}` is not part of this query",
    label = "uses a column of `{Self}`",
    note = "a query sees the columns of its own table; ask about other rows with `.has(..)`, `.any(..)`, `.in_query(..)` or `exists(..)`"
)]
pub trait Within<Scope, Idx> {
    /// Whether its columns may be NULL for being joined from the left.
    type Null: Nullability;
}

impl<T: Table> Within<Root<T>, Here> for T {
    type Null = NotNull;
}
impl<S, T: Table> Within<Outer<S, T>, Here> for T {
    type Null = NotNull;
}
#[diagnostic::do_not_recommend]
impl<S, T: Table, U: Table, I> Within<Outer<S, U>, There<I>> for T
where
    T: Within<S, I>,
{
    type Null = T::Null;
}
// No `do_not_recommend`: the error names the one table of the tuple that is missing.
impl<Sc, A: Within<Sc, I>, B: Within<Sc, J>, I, J> Within<Sc, (I, J)> for (A, B) {
    type Null = <A::Null as Nullability>::Or<B::Null>;
}
impl<Sc> Within<Sc, Nowhere> for () {
    type Null = NotNull;
}

/// The tables of a condition are `T` and nothing else.
#[diagnostic::on_unimplemented(
    message = "this condition uses table `{Self}`, not only `{T}`",
    label = "not a condition on `{T}` alone",
    note = "ask about rows of `{Self}` with `.has(..)`, `.any(..)`, `.in_query(..)` or `exists(..)`"
)]
pub trait Only<T> {}
impl<T: Table> Only<T> for T {}
impl<T: Table, A: Only<T>, B: Only<T>> Only<T> for (A, B) {}
impl<T: Table> Only<T> for () {}

/// A scope that can stand in a sub-query.
#[diagnostic::on_unimplemented(message = "this query cannot be a sub-query", label = "not a sub-query")]
pub trait Correlation {
    /// The tables of the query around it.
    type Outer;
    /// Their SQL names.
    fn outer_tables(into: &mut Vec<&'static str>);
}
impl<T> Correlation for Root<T> {
    type Outer = ();
    fn outer_tables(_: &mut Vec<&'static str>) {}
}
impl<S: Correlation, T: Table> Correlation for Outer<S, T> {
    type Outer = (S::Outer, T);
    fn outer_tables(into: &mut Vec<&'static str>) {
        S::outer_tables(into);
        into.push(T::NAME);
    }
}

/// Every table of the scope is part of schema `S`.
#[diagnostic::on_unimplemented(
    message = "this query cannot run in schema `{S}`",
    label = "not a query over tables of `{S}`",
    note = "a query with `.correlate::<_>()` is a sub-query: give it to `exists(..)` or `.in_query(..)`"
)]
pub trait ScopeIn<S: Schema> {}
impl<S: Schema, T: InSchema<S>> ScopeIn<S> for Root<T> {}
