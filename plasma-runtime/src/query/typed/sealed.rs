//! What a query can do with a sealed column: store an envelope in it, and test it for null. Everything else does not compile;
//! the notes of the comparisons say why.

use super::column::Assignable;
use super::operand::{Operand, StoreFrom};
use super::raw::Raw;
use crate::schema::{ColumnType as _, Sealed};

impl<X> Operand for Sealed<X> {
    type With<T> = T;
}

#[diagnostic::do_not_recommend]
impl<X: 'static> Assignable for Sealed<X> {
    type Itself = Self;
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
