//! Projections: which values of a row a query returns.

use std::fmt;
use std::marker::PhantomData;

use super::aggregate::Agg;
use super::column::{Col, IdCol};
use super::expr::Expr;
use super::raw::Raw;
use super::source::TableSource;
use super::within::{Nullability, Path, Within};
use crate::error::Result;
use crate::query::ir;
use crate::schema::{ColumnType, Id, RowReader, Scalar, Table};

/// The Rust type of a projected value, whatever query it stands in: `I` is the way to its table, which tells whether
/// the table is joined from the left. Apart from [`Projection`], so that a column of a table that is not part of the
/// query is one error and not two.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be selected",
    label = "not a column or an expression",
    note = "project columns, expressions, `row::<Table>()`, or a tuple of them (to 12)",
    note = "an aggregate belongs in `.aggregate(..)`, or behind `.group_by(..)`"
)]
pub trait Projectable<I> {
    /// The Rust type of the values.
    type Out: 'static;
}

/// What `.project(..)` takes in a query with scope `Sc`: a column, an expression, [`row`], or a tuple of them (to 12).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be selected",
    label = "not a column or an expression",
    note = "project columns, expressions, `row::<Table>()`, or a tuple of them (to 12)",
    note = "an aggregate belongs in `.aggregate(..)`, or behind `.group_by(..)`"
)]
pub trait Projection<Sc, I>: Projectable<I> {
    /// Adds the expressions, in order.
    #[doc(hidden)]
    fn push(self, into: &mut Vec<Raw>);
    /// Reads the values of the expressions, in order.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the row holds something else.
    #[doc(hidden)]
    fn read(reader: &mut RowReader) -> Result<Self::Out>;
}

impl<T, V: ColumnType, I: Path> Projectable<I> for Col<T, V> {
    type Out = <I::Null as Nullability>::Apply<V>;
}
impl<Sc, I: Path, T: Within<Sc, I>, V: ColumnType> Projection<Sc, I> for Col<T, V> {
    fn push(self, into: &mut Vec<Raw>) {
        into.push(self.raw());
    }
    fn read(reader: &mut RowReader) -> Result<Self::Out> {
        <I::Null as Nullability>::read::<V>(reader)
    }
}

impl<T: Table, I: Path> Projectable<I> for IdCol<T> {
    type Out = <I::Null as Nullability>::Apply<Id<T>>;
}
impl<Sc, I: Path, T: Within<Sc, I> + Table> Projection<Sc, I> for IdCol<T> {
    fn push(self, into: &mut Vec<Raw>) {
        into.push(self.raw());
    }
    fn read(reader: &mut RowReader) -> Result<Self::Out> {
        <I::Null as Nullability>::read::<Id<T>>(reader)
    }
}

/// A condition as a value: unknown is `false`.
impl<S, I> Projectable<I> for Expr<bool, S> {
    type Out = bool;
}
impl<Sc, I, S: Within<Sc, I>> Projection<Sc, I> for Expr<bool, S> {
    fn push(self, into: &mut Vec<Raw>) {
        into.push(self.into_raw().or_false());
    }
    fn read(reader: &mut RowReader) -> Result<bool> {
        reader.read()
    }
}

/// Types of expressions that are values and not conditions: every column type but `bool`.
pub trait Computed: ColumnType {}
impl<V: Scalar> Computed for Option<V> {}

/// An expression over a table that may be missing may be NULL.
impl<V: Computed, S, I: Path> Projectable<I> for Expr<V, S> {
    type Out = <I::Null as Nullability>::Apply<V>;
}
impl<Sc, I: Path, V: Computed, S: Within<Sc, I>> Projection<Sc, I> for Expr<V, S> {
    fn push(self, into: &mut Vec<Raw>) {
        into.push(self.into_raw());
    }
    fn read(reader: &mut RowReader) -> Result<Self::Out> {
        <I::Null as Nullability>::read::<V>(reader)
    }
}

// Not a projection: that it has a type here makes it one error there.
impl<V: 'static, S, I> Projectable<I> for Agg<V, S> {
    type Out = V;
}

/// The whole row of a table, made by [`row`].
pub struct WholeRow<T>(PhantomData<fn() -> T>);

impl<T> Clone for WholeRow<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for WholeRow<T> {}
impl<T> fmt::Debug for WholeRow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WholeRow")
    }
}

/// The whole row of table `T` (or of an alias) inside a projection; an `Option` when it is joined from the left.
pub fn row<T: TableSource>() -> WholeRow<T> {
    WholeRow(PhantomData)
}

impl<T: TableSource, I: Path> Projectable<I> for WholeRow<T> {
    type Out = <I::Null as Nullability>::Wrap<T::Row>;
}
impl<Sc, I: Path, T: TableSource + Within<Sc, I>> Projection<Sc, I> for WholeRow<T> {
    fn push(self, into: &mut Vec<Raw>) {
        let columns = T::Of::DEF.columns.iter();
        into.extend(columns.map(|column| Raw::new(ir::Expr::column(<T as super::source::Source>::NAME, column.name))));
    }
    fn read(reader: &mut RowReader) -> Result<Self::Out> {
        <I::Null as Nullability>::read_row::<T>(reader)
    }
}

macro_rules! projection {
    ($($a:ident $i:ident),+) => {
        impl<$($a: Projectable<$i>, $i),+> Projectable<($($i,)+)> for ($($a,)+) {
            type Out = ($($a::Out,)+);
        }
        impl<Sc, $($a, $i),+> Projection<Sc, ($($i,)+)> for ($($a,)+)
        where
            $($a: Projection<Sc, $i>),+
        {
            #[allow(non_snake_case)]
            fn push(self, into: &mut Vec<Raw>) {
                let ($($a,)+) = self;
                $($a.push(into);)+
            }
            fn read(reader: &mut RowReader) -> Result<Self::Out> {
                Ok(($($a::read(reader)?,)+))
            }
        }
    };
}
super::for_tuples_with_paths!(projection);
