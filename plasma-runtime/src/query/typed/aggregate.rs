//! Aggregates: values of a whole group.

use std::fmt;
use std::marker::PhantomData;

use super::assign::Order;
use super::column::{Col, IdCol, Ordered};
use super::expr::Expr;
use super::expression::Expression;
use super::operand::{CompareWith, Operand};
use super::raw::{Fault, Raw};
use super::text::function2;
use crate::query::ir::{self, Aggregate, CompareOp, Function};
use crate::schema::{ColumnType, Scalar, Table};
use crate::value::{Fixed, Kind};

/// Column types that can be added up.
#[diagnostic::on_unimplemented(
    message = "cannot add up a column of type `{Self}`",
    label = "`sum` and `avg` need a number: `i32`, `i64`, `f64`, `Fixed<N>`",
    note = "use `count()`, `min()` or `max()` for other types"
)]
pub trait Numeric: ColumnType {
    /// The type of a sum: `i64` for integers.
    type Sum: Scalar;
}
impl Numeric for i32 {
    type Sum = i64;
}
impl Numeric for i64 {
    type Sum = i64;
}
impl Numeric for f64 {
    type Sum = f64;
}
impl<const N: u8> Numeric for Fixed<N>
where
    Self: Scalar,
{
    type Sum = Fixed<N>;
}
#[diagnostic::do_not_recommend]
impl<V: Numeric + Scalar> Numeric for Option<V> {
    type Sum = V::Sum;
}

/// A value of type `V` of a whole group of rows over the tables `S`.
///
/// `Agg<bool, _>` is a condition on groups, for `.having(..)`.
pub struct Agg<V, S> {
    raw: Raw,
    types: PhantomData<fn() -> (V, S)>,
}

impl<V, S> Agg<V, S> {
    pub(crate) fn new(raw: Raw) -> Self {
        Agg { raw, types: PhantomData }
    }

    pub(crate) fn of(function: Aggregate, raw: Option<Raw>) -> Self {
        Agg::new(match raw {
            Some(raw) => raw.wrap(|ir| ir::Expr::Aggregate { function, expr: Some(Box::new(ir)) }),
            None => Raw::new(ir::Expr::Aggregate { function, expr: None }),
        })
    }

    /// The aggregate, untyped.
    pub(crate) fn into_raw(self) -> Raw {
        self.raw
    }
}

impl<V, S> Clone for Agg<V, S> {
    fn clone(&self) -> Self {
        Agg::new(self.raw.clone())
    }
}
impl<V, S> fmt::Debug for Agg<V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Agg").field(&self.raw.ir).finish()
    }
}

/// How many rows a group has.
pub fn count() -> Agg<i64, ()> {
    Agg::of(Aggregate::Count, None)
}

/// The mean of values of type `V`. A decimal is stored as an integer of its smallest unit, so its mean is scaled.
fn avg<V: ColumnType, S>(raw: Raw) -> Agg<Option<f64>, S> {
    let mean = Agg::<Option<f64>, S>::of(Aggregate::Avg, Some(raw));
    let Kind::Fixed(scale) = V::KIND else { return mean };
    let unit = ir::Expr::Literal(crate::value::Value::Float(10f64.powi(i32::from(scale))));
    Agg::new(mean.raw.wrap(|mean| ir::Expr::Arithmetic {
        op: ir::ArithmeticOp::Div,
        kind: Kind::Float,
        left: Box::new(mean),
        right: Box::new(unit),
    }))
}

/// The aggregates, once for each form of value.
macro_rules! aggregates {
    ([$($g:tt)*] $of:ty, $v:ty, $s:ty, $plain:ty, $raw:expr) => {
        impl<$($g)*> $of {
            /// In a grouped query: how many rows of the group have a value.
            pub fn count(self) -> Agg<i64, $s> {
                Agg::of(Aggregate::Count, Some($raw(self)))
            }

            /// In a grouped query: how many different values the group has, NULL not counted.
            pub fn count_distinct(self) -> Agg<i64, $s> {
                Agg::of(Aggregate::CountDistinct, Some($raw(self)))
            }

            /// In a grouped query: the sum; none when no row has a value. The sum of `i32` is an `i64`; one that does
            /// not fit is an error ([`Overflow`](crate::ErrorKind::Overflow)).
            pub fn sum<Sum: Scalar>(self) -> Agg<Option<Sum>, $s> where $v: Numeric<Sum = Sum> {
                Agg::of(Aggregate::Sum, Some($raw(self)))
            }

            /// In a grouped query: the mean; none when no row has a value.
            pub fn avg(self) -> Agg<Option<f64>, $s> where $v: Numeric {
                avg::<$v, $s>($raw(self))
            }

            /// In a grouped query: the smallest value; none when no row has a value.
            pub fn min(self) -> Agg<Option<$plain>, $s> where $v: Ordered {
                Agg::of(Aggregate::Min, Some($raw(self)))
            }

            /// In a grouped query: the greatest value; none when no row has a value.
            pub fn max(self) -> Agg<Option<$plain>, $s> where $v: Ordered {
                Agg::of(Aggregate::Max, Some($raw(self)))
            }
        }
    };
}
aggregates! { [T, V: ColumnType] Col<T, V>, V, T, V::NonNull, Col::raw }
aggregates! { [T: Table] IdCol<T>, crate::schema::Id<T>, T, crate::schema::Id<T>, IdCol::raw }
aggregates! { [V: ColumnType, S] Expr<V, S>, V, S, V::NonNull, Expr::into_raw }

impl<V, S> Operand for Agg<V, S> {
    type With<T> = (T, S);
}
#[diagnostic::do_not_recommend]
impl<V: Scalar, S> CompareWith<Agg<V, S>> for V {
    fn operand(right: Agg<V, S>) -> Raw {
        right.raw
    }
}
#[diagnostic::do_not_recommend]
impl<V: Scalar, S> CompareWith<Agg<Option<V>, S>> for V {
    fn operand(right: Agg<Option<V>, S>) -> Raw {
        right.raw
    }
}
#[diagnostic::do_not_recommend]
impl<V: Scalar, S> CompareWith<Agg<V, S>> for Option<V> {
    fn operand(right: Agg<V, S>) -> Raw {
        right.raw
    }
}
#[diagnostic::do_not_recommend]
impl<V: Scalar, S> CompareWith<Agg<Option<V>, S>> for Option<V> {
    fn operand(right: Agg<Option<V>, S>) -> Raw {
        right.raw
    }
}

macro_rules! comparisons {
    ($($name:ident $op:ident $sign:literal $($bound:ident)?;)+) => {$(
        #[doc = concat!("`", $sign, "`, for `.having(..)`. Never true for NULL.")]
        pub fn $name<R: Operand>(self, right: R) -> Agg<bool, R::With<S>>
        where
            V: CompareWith<R> $(+ $bound)?,
        {
            Agg::new(self.raw.compare(CompareOp::$op, V::operand(right)))
        }
    )+};
}
impl<V: ColumnType, S> Agg<V, S> {
    comparisons! {
        eq Eq "=";
        ne Ne "<>";
        lt Lt "<" Ordered;
        lte Lte "<=" Ordered;
        gt Gt ">" Ordered;
        gte Gte ">=" Ordered;
    }

    /// Groups by this value, smallest first; NULL before everything.
    pub fn asc(self) -> GroupOrder<S>
    where
        V: Ordered,
    {
        GroupOrder::new(self.raw, false)
    }

    /// Groups by this value, greatest first; NULL after everything.
    pub fn desc(self) -> GroupOrder<S>
    where
        V: Ordered,
    {
        GroupOrder::new(self.raw, true)
    }
}

impl<V: Scalar, S> Agg<Option<V>, S> {
    /// Whether no row of the group has a value.
    pub fn is_null(self) -> Agg<bool, S> {
        Agg::new(self.raw.wrap(|ir| ir::Expr::IsNull(Box::new(ir))))
    }

    /// Whether some row of the group has a value.
    pub fn is_not_null(self) -> Agg<bool, S> {
        Agg::new(self.is_null().raw.not())
    }

    /// The value, or `other` when no row of the group has one: `Todo::minutes.sum().coalesce(0i64)`.
    pub fn coalesce<R: Expression<Value = V, Tables = ()>>(self, other: R) -> Agg<V, S> {
        Agg::new(function2(Function::Coalesce, self.raw, other.into_raw()))
    }
}

impl<S> Agg<bool, S> {
    /// Both.
    pub fn and<S2>(self, other: Agg<bool, S2>) -> Agg<bool, (S, S2)> {
        Agg::new(self.raw.and(other.raw))
    }

    /// Either.
    pub fn or<S2>(self, other: Agg<bool, S2>) -> Agg<bool, (S, S2)> {
        Agg::new(self.raw.or(other.raw))
    }

    /// The opposite. Unknown (a comparison with NULL) stays unknown, and the group is not taken.
    #[expect(clippy::should_implement_trait, reason = "it is, and callers should not need to import it")]
    pub fn not(self) -> Self {
        Agg::new(self.raw.not())
    }
}

impl<S> std::ops::Not for Agg<bool, S> {
    type Output = Self;
    fn not(self) -> Self {
        Agg::not(self)
    }
}

/// One key of an order of groups, made by `.asc()` and `.desc()` of an aggregate or a group key.
pub struct GroupOrder<S>(Order<S>);

impl<S> GroupOrder<S> {
    pub(crate) fn new(raw: Raw, descending: bool) -> Self {
        GroupOrder(Order::new(raw, descending))
    }

    /// NULL before everything, also in a descending order.
    #[must_use]
    pub fn nulls_first(self) -> Self {
        GroupOrder(self.0.nulls_first())
    }

    /// NULL after everything, also in an ascending order.
    #[must_use]
    pub fn nulls_last(self) -> Self {
        GroupOrder(self.0.nulls_last())
    }

    pub(crate) fn forget(self) -> GroupOrder<()> {
        GroupOrder(self.0.forget())
    }

    pub(crate) fn into_keys(self) -> (Vec<ir::Order>, Option<Fault>) {
        self.0.into_keys()
    }
}
impl<S> Clone for GroupOrder<S> {
    fn clone(&self) -> Self {
        GroupOrder(self.0.clone())
    }
}
impl<S> fmt::Debug for GroupOrder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GroupOrder").field(&self.0).finish()
    }
}
