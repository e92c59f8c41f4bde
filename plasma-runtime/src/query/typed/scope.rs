//! Which tables a query is over, as types: a column of a table that is not there does not compile.
//!
//! A scope is a type, such as [`Root<Todo>`](Root) or `Left<Inner<Root<Todo>, User>, Comment>`: the sources of the
//! query, and around them how far the query has been built ([`Projected`], [`Related`], ..).

use std::fmt;
use std::marker::PhantomData;

use super::row::Push;
use super::source::{Source, TableSource};
use super::within::Present;
use crate::error::Result;
use crate::schema::{InSchema, RowReader, Schema, Table};

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident<$($p:ident),+>;)+) => {$(
        $(#[$doc])*
        pub struct $name<$($p),+>(PhantomData<fn() -> ($($p,)+)>);
        impl<$($p),+> fmt::Debug for $name<$($p),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )+};
}
scopes! {
    /// The scope of a query over one table.
    Root<T>;
    /// Scope `S`, inner-joined with `T`.
    Inner<S, T>;
    /// Scope `S`, left-joined with `T`: a row without a match has no `T`.
    Left<S, T>;
    /// The scope of a sub-query: `S`, and source `T` of the query around it.
    Outer<S, T>;
    /// Scope `S` of a query that returns chosen values instead of whole rows.
    Projected<S>;
    /// Scope `S` of a projected query without repetitions.
    Distinct<S>;
    /// Scope `S` of a query that appends related rows.
    Related<S>;
    /// Scope `S`, folded into groups: its columns are gone, only the result is left.
    Folded<S>;
    /// Table `T` is read: what [`ScopeIn`] looks up.
    Listed<T>;
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
impl<T: Table, S: Only<T>> Only<T> for Present<S> {}

/// A scope whose rows are still whole: joins, projections, groups and aggregates come here.
#[diagnostic::on_unimplemented(
    message = "this query has its result already: `{Self}`",
    label = "joins, `project`, `group_by` and `aggregate` are not possible any more",
    note = "join first; then one of `.project(..)`, `.group_by(..)` and `.aggregate(..)`; then `.with_one(..)`, `.with_many(..)` and the like"
)]
pub trait RowScope {
    /// The Rust type of a row: the table's, or a tuple with one element for each source.
    type Row: 'static;
    /// The scope itself: what is asked of it too is asked through this, so that one mistake is one error.
    #[doc(hidden)]
    type Itself: RowScope;
    /// SQL names of the sources, last one first.
    const NAMES: &'static Names;
    /// Reads a row.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the values are something else.
    fn read(reader: &mut RowReader) -> Result<Self::Row>;
}

/// A list of names in a const.
#[derive(Debug)]
pub struct Names {
    name: &'static str,
    rest: Option<&'static Names>,
}

impl Names {
    /// Stops the build when the first name is in the rest of the list.
    pub(super) const fn assert_different(&self) {
        let mut list = self.rest;
        while let Some(names) = list {
            if crate::schema::fingerprint::str_eq(names.name, self.name) {
                panic!(
                    "this table is part of the query already: name the second one with `plasma::alias!(pub Other = \
                     Table);` and join `.join_as::<Other>()` or `Other::on(..)`"
                );
            }
            list = names.rest;
        }
    }
}

impl<T: Source> RowScope for Root<T> {
    type Row = T::Row;
    type Itself = Self;
    const NAMES: &'static Names = &Names { name: T::NAME, rest: None };
    fn read(reader: &mut RowReader) -> Result<T::Row> {
        T::read(reader)
    }
}
impl<S: RowScope, T: TableSource> RowScope for Inner<S, T>
where
    S::Row: Push<T::Row>,
{
    type Row = <S::Row as Push<T::Row>>::Out;
    type Itself = Self;
    const NAMES: &'static Names = &Names { name: T::NAME, rest: Some(S::NAMES) };
    fn read(reader: &mut RowReader) -> Result<Self::Row> {
        let row = S::read(reader)?;
        Ok(row.push(T::read(reader)?))
    }
}
impl<S: RowScope, T: TableSource> RowScope for Left<S, T>
where
    S::Row: Push<Option<T::Row>>,
{
    type Row = <S::Row as Push<Option<T::Row>>>::Out;
    type Itself = Self;
    const NAMES: &'static Names = &Names { name: T::NAME, rest: Some(S::NAMES) };
    fn read(reader: &mut RowReader) -> Result<Self::Row> {
        let row = S::read(reader)?;
        Ok(row.push(T::read_joined(reader)?))
    }
}
impl<S: RowScope, T: Source> RowScope for Outer<S, T> {
    type Row = S::Row;
    type Itself = Self;
    const NAMES: &'static Names = S::NAMES;
    fn read(reader: &mut RowReader) -> Result<S::Row> {
        S::read(reader)
    }
}

/// The sources of the query around it that a scope looks at. Apart from [`Correlation`], so that one mistake is one
/// error.
pub trait OuterSources {
    /// The sources, as nested pairs.
    type Outer;
    /// Their names.
    fn outer_names(into: &mut Vec<&'static str>);
}
impl<T> OuterSources for Root<T> {
    type Outer = ();
    fn outer_names(_: &mut Vec<&'static str>) {}
}
impl<S: OuterSources, T: Source> OuterSources for Outer<S, T> {
    type Outer = (S::Outer, T);
    fn outer_names(into: &mut Vec<&'static str>) {
        S::outer_names(into);
        into.push(T::NAME);
    }
}

/// A scope that can stand in a sub-query.
#[diagnostic::on_unimplemented(
    message = "this query cannot be a sub-query: `{Self}`",
    label = "not a sub-query",
    note = "related rows (`with_one`, `with_many`, ..) belong to the outermost query"
)]
pub trait Correlation: OuterSources {}
impl<T> Correlation for Root<T> {}
impl<S: Correlation, T: Source> Correlation for Outer<S, T> {}

macro_rules! outer_sources_of_the_inner {
    ($($scope:ident<S $(, $t:ident)?>),+) => {$(
        impl<S: OuterSources $(, $t)?> OuterSources for $scope<S $(, $t)?> {
            type Outer = S::Outer;
            fn outer_names(into: &mut Vec<&'static str>) {
                S::outer_names(into);
            }
        }
    )+};
}
outer_sources_of_the_inner!(Inner<S, T>, Left<S, T>, Projected<S>, Distinct<S>, Folded<S>, Related<S>);
impl<S: Correlation, T> Correlation for Inner<S, T> {}
impl<S: Correlation, T> Correlation for Left<S, T> {}
impl<S: Correlation> Correlation for Projected<S> {}
impl<S: Correlation> Correlation for Distinct<S> {}
impl<S: Correlation> Correlation for Folded<S> {}

/// A scope that sees no query around it: of a derived table, and of related rows.
#[diagnostic::on_unimplemented(
    message = "this query looks at a query around it",
    label = "derived tables and related rows stand alone",
    note = "a query with `.correlate::<_>()` is for `exists(..)`, `.in_query(..)` and `scalar(..)`"
)]
pub trait Alone {}
impl<T> Alone for Root<T> {}
impl<S: Alone, T> Alone for Inner<S, T> {}
impl<S: Alone, T> Alone for Left<S, T> {}
impl<S: Alone> Alone for Projected<S> {}
impl<S: Alone> Alone for Distinct<S> {}
impl<S: Alone> Alone for Folded<S> {}

/// Every table of the scope is part of schema `S`.
#[diagnostic::on_unimplemented(
    message = "this query cannot run in schema `{S}`",
    label = "not a query over tables of `{S}`",
    note = "a query with `.correlate::<_>()` is a sub-query: give it to `exists(..)` or `.in_query(..)`"
)]
pub trait ScopeIn<S: Schema> {}
impl<S: Schema, T: InSchema<S>> ScopeIn<S> for Listed<T> {}
impl<S: Schema, T: Source> ScopeIn<S> for Root<T> where T::Tables: ScopeIn<S> {}
impl<S: Schema, R: ScopeIn<S>, T: Source> ScopeIn<S> for Inner<R, T> where T::Tables: ScopeIn<S> {}
impl<S: Schema, R: ScopeIn<S>, T: Source> ScopeIn<S> for Left<R, T> where T::Tables: ScopeIn<S> {}
impl<S: Schema, R: ScopeIn<S>> ScopeIn<S> for Projected<R> {}
impl<S: Schema, R: ScopeIn<S>> ScopeIn<S> for Distinct<R> {}
impl<S: Schema, R: ScopeIn<S>> ScopeIn<S> for Related<R> {}
impl<S: Schema, R: ScopeIn<S>> ScopeIn<S> for Folded<R> {}
