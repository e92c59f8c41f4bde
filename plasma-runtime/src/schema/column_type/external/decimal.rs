//! `rust_decimal::Decimal`: converted, not stored.
//!
//! A `Decimal` carries its own number of digits, up to 28, and SQLite has no exact type of that range: as text it would
//! sort by its letters, as a float it would be rounded. So a column is a [`Fixed`], whose scale is fixed by its type, and
//! a `Decimal` converts exactly or not at all.

use rust_decimal::Decimal;

use super::out_of_range;
use crate::error::{Error, Result};
use crate::value::Fixed;

impl<const N: u8> From<Fixed<N>> for Decimal {
    fn from(fixed: Fixed<N>) -> Self {
        // A scale up to 18 is one of `Decimal`.
        Decimal::new(fixed.minor(), u32::from(Fixed::<N>::SCALE))
    }
}

impl<const N: u8> TryFrom<Decimal> for Fixed<N> {
    type Error = Error;

    /// Fails when the number is out of range, or has more than `N` digits after the point (zeros at the end excepted):
    /// round it first, with the rule you want.
    fn try_from(decimal: Decimal) -> Result<Self> {
        let exact = decimal.normalize();
        let scale = u32::from(Fixed::<N>::SCALE);
        let Some(places) = scale.checked_sub(exact.scale()) else {
            return Err(Error::validation(format!("{exact} has more than {scale} digits after the point")));
        };
        let minor = exact.mantissa().checked_mul(10i128.pow(places));
        minor
            .and_then(|minor| i64::try_from(minor).ok())
            .map(Fixed::from_minor)
            .ok_or_else(|| out_of_range(exact, &format!("`Fixed<{N}>`")))
    }
}
