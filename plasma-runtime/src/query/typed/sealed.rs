//! What a query can do with a sealed column: store an envelope in it, and test it for null. Everything else is refused
//! with the reason.

use super::column::{Col, Ordered};
use super::operand::{CompareWith, Operand, SameAs, StoreFrom, ValueFrom};
use super::raw::Raw;
use crate::error::Result;
use crate::schema::{ColumnType, Sealed};
use crate::value::Value;

/// Types whose stored form tells their value. No sealed one does.
#[diagnostic::on_unimplemented(
    message = "the values of a `{Self}` column cannot be compared or ordered: they are encrypted",
    label = "equal values have different envelopes, and their order says nothing",
    note = "to find rows by the value keep a `BlindIndex` column beside it and compare that one",
    note = "to search or sort, open the values in the program"
)]
pub trait Legible {}

impl<X> Operand for Sealed<X> {
    type With<T> = T;
}

#[diagnostic::do_not_recommend]
impl<T, X: 'static> StoreFrom<Sealed<X>, T> for Sealed<X> {
    fn stored(value: Sealed<X>) -> Raw {
        Raw::value(value.into_value())
    }
}
#[diagnostic::do_not_recommend]
impl<T, X: 'static> StoreFrom<Sealed<X>, T> for Option<Sealed<X>> {
    fn stored(value: Sealed<X>) -> Raw {
        Raw::value(value.into_value())
    }
}

impl<X: 'static> Ordered for Sealed<X>
where
    Sealed<X>: Legible,
{
    type Itself = Self;
}

/// Values that stand in a sealed column as they are. None does.
#[diagnostic::on_unimplemented(
    message = "plain text cannot be stored in a `{Self}` column",
    label = "not sealed",
    note = "seal it before the mutation: `client.seal(Note::body, id, \"..\").await?`, or `#[arg(seal(column = Note::body, row = self.id))]` on a field of the arguments"
)]
pub trait InTheClear {}

macro_rules! unsealed {
    ($($r:ty),*) => {$(
        impl<T, X: 'static> StoreFrom<$r, T> for Sealed<X> where Sealed<X>: InTheClear {
            fn stored(_: $r) -> Raw {
                Raw::fault("plain text in a sealed column")
            }
        }
    )*};
}
unsealed!(&str, String, &String);

/// The comparisons that people try. They exist so that the compiler says why they cannot be.
macro_rules! refused {
    ($([$($g:tt)*] $r:ty),* $(,)?) => {$(
        impl<X: 'static, $($g)*> CompareWith<$r> for Sealed<X> where Sealed<X>: Legible {
            fn operand(_: $r) -> Raw {
                Raw::fault("a sealed column is compared")
            }
        }
    )*};
}
refused! { [] &str, [] String, [] &String, [] Sealed<X>, [] i64, [] i32, [] bool, [U] Col<U, Sealed<X>> }

macro_rules! refused_values {
    ($($r:ty),*) => {$(
        impl<X: 'static> ValueFrom<$r> for Sealed<X> where Sealed<X>: Legible {
            fn value_from(_: $r) -> Result<Value> {
                Err(crate::Error::internal("a sealed column is compared"))
            }
        }
        impl<X: 'static> SameAs<$r> for Sealed<X> where Sealed<X>: Legible {
            fn same_as(_: $r) -> Result<Value> {
                Err(crate::Error::internal("a sealed column is compared"))
            }
        }
    )*};
}
refused_values!(&str, String, Sealed<X>);
