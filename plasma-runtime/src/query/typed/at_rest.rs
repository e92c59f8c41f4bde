//! What a query can do with a column that the client keeps encrypted: read it, store in it, and test it for null. Everything
//! else is refused with the reason.

use super::column::{Col, Ordered};
use super::operand::{CompareWith, Operand, SameAs, StoreFrom, ValueFrom};
use super::raw::Raw;
use crate::error::Result;
use crate::schema::{AtRest, ColumnType as _, Scalar};
use crate::value::Value;

/// Types that a condition or an order can be about on every client.
#[diagnostic::on_unimplemented(
    message = "the values of a `{Self}` column cannot be compared or ordered: they are encrypted in the client's file",
    label = "no index can find or sort them: the client would decrypt every row of the table",
    note = "leave what rows are looked up by in a column of its own, or filter the rows in the program"
)]
pub trait Searchable {}

impl<X> Operand for AtRest<X> {
    type With<T> = T;
}

impl<X: Scalar> Ordered for AtRest<X>
where
    AtRest<X>: Searchable,
{
    type Itself = Self;
}

#[diagnostic::do_not_recommend]
impl<T, X: Scalar> StoreFrom<AtRest<X>, T> for AtRest<X> {
    fn stored(value: AtRest<X>) -> Raw {
        Raw::value(value.into_value())
    }
}
#[diagnostic::do_not_recommend]
impl<T, X: Scalar> StoreFrom<X, T> for AtRest<X> {
    fn stored(value: X) -> Raw {
        Raw::value(value.into_value())
    }
}
#[diagnostic::do_not_recommend]
impl<T> StoreFrom<&str, T> for AtRest<String> {
    fn stored(value: &str) -> Raw {
        Raw::value(value.to_owned().into_value())
    }
}
#[diagnostic::do_not_recommend]
impl<T, X: Scalar> StoreFrom<AtRest<X>, T> for Option<AtRest<X>> {
    fn stored(value: AtRest<X>) -> Raw {
        Raw::value(value.into_value())
    }
}
#[diagnostic::do_not_recommend]
impl<T, X: Scalar> StoreFrom<X, T> for Option<AtRest<X>> {
    fn stored(value: X) -> Raw {
        Raw::value(value.into_value())
    }
}
#[diagnostic::do_not_recommend]
impl<T> StoreFrom<&str, T> for Option<AtRest<String>> {
    fn stored(value: &str) -> Raw {
        Raw::value(value.to_owned().into_value())
    }
}
#[diagnostic::do_not_recommend]
impl<T, X: Scalar> StoreFrom<Col<T, AtRest<X>>, T> for AtRest<X> {
    fn stored(value: Col<T, AtRest<X>>) -> Raw {
        value.raw()
    }
}

/// The comparisons that people try. They exist so that the compiler says why they cannot be.
macro_rules! refused {
    ($([$($g:tt)*] $r:ty),* $(,)?) => {$(
        impl<X: Scalar, $($g)*> CompareWith<$r> for AtRest<X> where AtRest<X>: Searchable {
            fn operand(_: $r) -> Raw {
                Raw::fault("a column that is encrypted in the client's file is compared")
            }
        }
    )*};
}
refused! { [] &str, [] String, [] &String, [] AtRest<X>, [] i64, [] i32, [] bool, [U] Col<U, AtRest<X>> }

macro_rules! refused_values {
    ($($r:ty),*) => {$(
        impl<X: Scalar> ValueFrom<$r> for AtRest<X> where AtRest<X>: Searchable {
            fn value_from(_: $r) -> Result<Value> {
                Err(crate::Error::internal("a column that is encrypted in the client's file is compared"))
            }
        }
        impl<X: Scalar> SameAs<$r> for AtRest<X> where AtRest<X>: Searchable {
            fn same_as(_: $r) -> Result<Value> {
                Err(crate::Error::internal("a column that is encrypted in the client's file is compared"))
            }
        }
    )*};
}
refused_values!(&str, String, AtRest<X>);
