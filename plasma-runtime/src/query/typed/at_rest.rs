//! What a query can do with a column that the client keeps encrypted: read it, store in it, and test it for null. Everything
//! else does not compile; the notes of the comparisons say why.

use super::column::{Assignable, Col};
use super::operand::{Operand, StoreFrom};
use super::raw::Raw;
use crate::schema::{AtRest, ColumnType as _, Scalar};

impl<X> Operand for AtRest<X> {
    type With<T> = T;
}

#[diagnostic::do_not_recommend]
impl<X: Scalar> Assignable for AtRest<X> {
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
