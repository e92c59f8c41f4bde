//! Dates of moments.

use super::column::Col;
use super::expr::Expr;
use super::raw::Raw;
use super::text::{Dependent, function2};
use crate::query::ir::{Expr as Ir, Function};
use crate::schema::{ColumnType, Scalar};
use crate::value::{Date, Timestamp, Value};

/// Columns with a capability: moments, which have a date.
#[diagnostic::on_unimplemented(
    message = "a column of type `{Self}` holds no moment",
    label = "needs a `Timestamp` or `Option<Timestamp>` column"
)]
pub trait Moment: ColumnType {}
impl Moment for Timestamp {}
#[diagnostic::do_not_recommend]
impl<V: Moment + Scalar> Moment for Option<V> {}

/// The time of the mutation, [`Tx::now`](crate::mutate::Tx::now), in its statements:
/// `tx.update(id).set(Todo::done_at.to(now()))`, `tx.delete_where(Draft::expires_at.lt(now()))`.
///
/// Every run of the mutation has the same. Outside of a mutation there is no such time: a query of a client or a policy
/// that mentions it fails with [`Validation`](crate::ErrorKind::Validation) when it is used.
pub fn now() -> Expr<Timestamp, ()> {
    Expr::new(Raw::new(Ir::Function { function: Function::Now, args: Vec::new() }))
}

macro_rules! date {
    ($on:ident<$($p:ty),*>) => {
        impl<T, V: ColumnType> $on<$($p),*> {
            /// The date (proleptic Gregorian calendar) of the moment in UTC: for days, group by it.
            pub fn date(self) -> Expr<<V as Dependent>::As<Date>, T>
            where
                V: Moment + Dependent,
            {
                self.date_at(0)
            }

            /// The date of the moment where clocks are `minutes` ahead of UTC (behind, when negative).
            ///
            /// Outside the years 1 to 9999 the read fails with [`Overflow`](crate::ErrorKind::Overflow).
            pub fn date_at(self, minutes: i32) -> Expr<<V as Dependent>::As<Date>, T>
            where
                V: Moment + Dependent,
            {
                let offset = Raw::new(Ir::Literal(Value::Int(minutes.into())));
                Expr::new(function2(Function::Date, self.raw(), offset))
            }
        }
    };
}
date!(Col<T, V>);
date!(Expr<V, T>);
