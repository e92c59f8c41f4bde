//! Where in a scope a table is, and whether it may be missing there.

use std::marker::PhantomData;

use super::scope::{Distinct, Inner, Left, Outer, Projected, Related, Root};
use super::source::{Source, TableSource};
use crate::error::Result;
use crate::schema::{ColumnType, RowReader};

/// The source is the last one of the scope.
#[derive(Debug)]
pub struct Here;
/// The source is the last one of the scope, joined from the left.
#[derive(Debug)]
pub struct MaybeHere;
/// The source is further in.
#[derive(Debug)]
pub struct There<I>(PhantomData<fn() -> I>);
/// No source is needed.
#[derive(Debug)]
pub struct Nowhere;

/// The source may be missing, but the value is there all the same.
#[derive(Debug)]
pub struct Settled<I>(PhantomData<fn() -> I>);

/// The tables `S` of an expression that has a value even when they are missing, such as `coalesce`.
#[derive(Debug)]
pub struct Present<S>(PhantomData<fn() -> S>);

/// The way to a source in a scope: always inferred. It knows whether the source may be missing, so that the type of a
/// projected column needs nothing that fails when the source is not in the scope at all (one mistake, one error).
pub trait Path {
    /// Whether its columns may be NULL for being joined from the left.
    type Null: Nullability;
}
impl Path for Here {
    type Null = NotNull;
}
impl Path for MaybeHere {
    type Null = MaybeNull;
}
impl<I: Path> Path for There<I> {
    type Null = I::Null;
}
impl Path for Nowhere {
    type Null = NotNull;
}
impl<I> Path for Settled<I> {
    type Null = NotNull;
}
impl<I: Path, J: Path> Path for (I, J) {
    type Null = <I::Null as Nullability>::Or<J::Null>;
}

/// Whether the columns of a table may be NULL because the table is joined from the left.
pub trait Nullability {
    /// The type of a column of type `V` in a projection.
    type Apply<V: ColumnType>: 'static;
    /// The type of a whole row.
    type Wrap<R: 'static>: 'static;
    /// Of two tables together.
    type Or<N: Nullability>: Nullability;
    /// Whether it is [`MaybeNull`].
    const MAYBE: bool;
    /// Reads a column.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the value is not one of the type.
    fn read<V: ColumnType>(reader: &mut RowReader) -> Result<Self::Apply<V>>;
    /// Reads a whole row.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the values are not those of a row.
    fn read_row<T: TableSource>(reader: &mut RowReader) -> Result<Self::Wrap<T::Row>>;
    /// A row that is there, or not.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when it must be there and is not.
    fn wrap<R: 'static>(row: Option<R>) -> Result<Self::Wrap<R>>;
}

/// Every row has its row of the table.
#[derive(Debug)]
pub struct NotNull;
impl Nullability for NotNull {
    type Apply<V: ColumnType> = V;
    type Wrap<R: 'static> = R;
    type Or<N: Nullability> = N;
    const MAYBE: bool = false;
    fn read<V: ColumnType>(reader: &mut RowReader) -> Result<V> {
        reader.read()
    }
    fn read_row<T: TableSource>(reader: &mut RowReader) -> Result<T::Row> {
        T::read(reader)
    }
    fn wrap<R: 'static>(row: Option<R>) -> Result<R> {
        row.ok_or_else(|| crate::Error::new(crate::ErrorKind::Storage, "the row referred to is not there"))
    }
}

/// A row may be without a row of the table. A column that is an `Option` anyway stays one `Option`.
#[derive(Debug)]
pub struct MaybeNull;
impl Nullability for MaybeNull {
    type Apply<V: ColumnType> = Option<V::NonNull>;
    type Wrap<R: 'static> = Option<R>;
    type Or<N: Nullability> = MaybeNull;
    const MAYBE: bool = true;
    fn read<V: ColumnType>(reader: &mut RowReader) -> Result<Option<V::NonNull>> {
        match reader.next_value()? {
            crate::value::Value::Null => Ok(None),
            value => V::NonNull::from_value(value).map(Some),
        }
    }
    fn read_row<T: TableSource>(reader: &mut RowReader) -> Result<Option<T::Row>> {
        T::read_joined(reader)
    }
    fn wrap<R: 'static>(row: Option<R>) -> Result<Option<R>> {
        Ok(row)
    }
}

/// Table `Self` (or every table of the tuple `Self`) is part of the scope, and `Idx` is the way to it.
#[diagnostic::on_unimplemented(
    message = "table `{Self}` is not part of this query",
    label = "uses a column of `{Self}`",
    note = "join it first, with `.inner_join(..)` or `.left_join(..)`, or ask about its rows with `.has(..)`, `.any(..)`, `.in_query(..)` or `exists(..)`"
)]
pub trait Within<Scope, Idx> {}

impl<T: Source> Within<Root<T>, Here> for T {}
impl<S, T: Source> Within<Inner<S, T>, Here> for T {}
impl<S, T: Source> Within<Left<S, T>, MaybeHere> for T {}
impl<S, T: Source> Within<Outer<S, T>, Here> for T {}

/// Source `T` is part of the scope, further in than the last source.
///
/// Every table and alias has an `impl Within<Sc, There<I>> for Todo where Sc: Further<Todo, I>` of its own: one impl for
/// all of them would be a candidate for pairs of tables too, and with two candidates the compiler names the pair and
/// not the table that is missing.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "table `{T}` is not part of this query",
    label = "uses a column of `{T}`",
    note = "join it first, with `.inner_join(..)` or `.left_join(..)`, or ask about its rows with `.has(..)`, `.any(..)`, `.in_query(..)` or `exists(..)`"
)]
pub trait Further<T, I> {}
macro_rules! further_in {
    ($($scope:ident<S $(, $u:ident)?>),+) => {$(
        #[diagnostic::do_not_recommend]
        impl<S, T: Within<S, I>, I $(, $u)?> Further<T, I> for $scope<S $(, $u)?> {}
    )+};
}
further_in!(Inner<S, U>, Left<S, U>, Outer<S, U>, Projected<S>, Distinct<S>, Related<S>);
// No `do_not_recommend`: the error names the one table of the tuple that is missing.
impl<Sc, A: Within<Sc, I>, B: Within<Sc, J>, I, J> Within<Sc, (I, J)> for (A, B) {}
#[diagnostic::do_not_recommend]
impl<Sc> Within<Sc, Nowhere> for () {}
#[diagnostic::do_not_recommend]
impl<Sc, S: Within<Sc, I>, I> Within<Sc, Settled<I>> for Present<S> {}
