//! Projections: which values of a row a query returns.

use std::fmt;
use std::marker::PhantomData;

use super::column::{Col, IdCol};
use super::expr::Expr;
use super::raw::Raw;
use super::scope::{Nullability, Within};
use crate::error::Result;
use crate::query::ir;
use crate::schema::{ColumnType, Id, RowReader, Table};

/// What `.project(..)` takes in a query with scope `Sc`: a column, a condition, [`row`], or a tuple of them (to 12).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be selected here",
    label = "not a column or an expression of this query"
)]
pub trait Projection<Sc, I> {
    /// The Rust type of the values.
    type Out;
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

impl<Sc, I, T: Within<Sc, I>, V: ColumnType> Projection<Sc, I> for Col<T, V> {
    type Out = <T::Null as Nullability>::Apply<V>;
    fn push(self, into: &mut Vec<Raw>) {
        into.push(self.raw());
    }
    fn read(reader: &mut RowReader) -> Result<Self::Out> {
        reader.read()
    }
}

impl<Sc, I, T: Within<Sc, I> + Table> Projection<Sc, I> for IdCol<T> {
    type Out = <T::Null as Nullability>::Apply<Id<T>>;
    fn push(self, into: &mut Vec<Raw>) {
        into.push(self.raw());
    }
    fn read(reader: &mut RowReader) -> Result<Self::Out> {
        reader.read()
    }
}

/// A condition as a value: unknown is `false`.
impl<Sc, I, S: Within<Sc, I>> Projection<Sc, I> for Expr<bool, S> {
    type Out = bool;
    fn push(self, into: &mut Vec<Raw>) {
        into.push(self.into_raw().is_true());
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

impl<Sc, I, T: Table + Within<Sc, I, Null = super::NotNull>> Projection<Sc, I> for WholeRow<T> {
    type Out = T;
    fn push(self, into: &mut Vec<Raw>) {
        into.extend(T::DEF.columns.iter().map(|column| Raw::new(ir::Expr::column(T::DEF.name, column.name))));
    }
    fn read(reader: &mut RowReader) -> Result<T> {
        (T::CODEC.decode)(reader)
    }
}

macro_rules! projection {
    ($($a:ident $i:ident),+) => {
        impl<Sc, $($a, $i),+> Projection<Sc, ($($i,)+)> for ($($a,)+)
        where
            $($a: Projection<Sc, $i>),+
        {
            type Out = ($($a::Out,)+);
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
