//! Projections: which values of a row a query returns.

use std::fmt;
use std::marker::PhantomData;

use super::column::{Col, IdCol};
use super::expr::Expr;
use super::raw::Raw;
use super::scope::Within;
use crate::error::Result;
use crate::query::ir;
use crate::schema::{ColumnType, Id, RowReader, Table};

/// The Rust type of a projected value, whatever query it stands in. Apart from [`Projection`], so that a column of a
/// table that is not part of the query is one error and not two.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be selected",
    label = "not a column or a condition",
    note = "project columns, conditions, `row::<Table>()`, or a tuple of them (to 12)"
)]
pub trait Projectable {
    /// The Rust type of the values.
    type Out;
}

/// What `.project(..)` takes in a query with scope `Sc`: a column, a condition, [`row`], or a tuple of them (to 12).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be selected here",
    label = "not a column or a condition of this query"
)]
pub trait Projection<Sc, I>: Projectable {
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

impl<T, V> Projectable for Col<T, V> {
    type Out = V;
}
impl<Sc, I, T: Within<Sc, I>, V: ColumnType> Projection<Sc, I> for Col<T, V> {
    fn push(self, into: &mut Vec<Raw>) {
        into.push(self.raw());
    }
    fn read(reader: &mut RowReader) -> Result<V> {
        reader.read()
    }
}

impl<T> Projectable for IdCol<T> {
    type Out = Id<T>;
}
impl<Sc, I, T: Within<Sc, I> + Table> Projection<Sc, I> for IdCol<T> {
    fn push(self, into: &mut Vec<Raw>) {
        into.push(self.raw());
    }
    fn read(reader: &mut RowReader) -> Result<Id<T>> {
        reader.read()
    }
}

/// A condition as a value: unknown is `false`.
impl<S> Projectable for Expr<bool, S> {
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

/// The whole row of table `T` inside a projection.
pub fn row<T: Table>() -> WholeRow<T> {
    WholeRow(PhantomData)
}

impl<T> Projectable for WholeRow<T> {
    type Out = T;
}
impl<Sc, I, T: Table + Within<Sc, I>> Projection<Sc, I> for WholeRow<T> {
    fn push(self, into: &mut Vec<Raw>) {
        into.extend(T::DEF.columns.iter().map(|column| Raw::new(ir::Expr::column(T::DEF.name, column.name))));
    }
    fn read(reader: &mut RowReader) -> Result<T> {
        (T::CODEC.decode)(reader)
    }
}

macro_rules! projection {
    ($($a:ident $i:ident),+) => {
        impl<$($a: Projectable),+> Projectable for ($($a,)+) {
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
projection!(A Ai);
projection!(A Ai, B Bi);
projection!(A Ai, B Bi, C Ci);
projection!(A Ai, B Bi, C Ci, D Di);
projection!(A Ai, B Bi, C Ci, D Di, E Ei);
projection!(A Ai, B Bi, C Ci, D Di, E Ei, F Fi);
projection!(A Ai, B Bi, C Ci, D Di, E Ei, F Fi, G Gi);
projection!(A Ai, B Bi, C Ci, D Di, E Ei, F Fi, G Gi, H Hi);
projection!(A Ai, B Bi, C Ci, D Di, E Ei, F Fi, G Gi, H Hi, J Ji);
projection!(A Ai, B Bi, C Ci, D Di, E Ei, F Fi, G Gi, H Hi, J Ji, K Ki);
projection!(A Ai, B Bi, C Ci, D Di, E Ei, F Fi, G Gi, H Hi, J Ji, K Ki, L Li);
projection!(A Ai, B Bi, C Ci, D Di, E Ei, F Fi, G Gi, H Hi, J Ji, K Ki, L Li, M Mi);
