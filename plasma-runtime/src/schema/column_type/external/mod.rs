//! Column types of other crates, each behind the feature of its name.
//!
//! Moments are stored as [`Timestamp`] is, in microseconds. What is below a microsecond is cut off, towards the past: a
//! clock gives nanoseconds on some platforms, and a value refused on those only would be a trap. A value in a comparison
//! is cut in the same way. A value that the database type cannot hold is a typed error of the write, one that the Rust
//! type cannot hold is a typed error of the read.

#[cfg(feature = "chrono")]
mod chrono;
#[cfg(feature = "rust_decimal")]
mod decimal;
#[cfg(feature = "jiff")]
mod jiff;
#[cfg(all(test, feature = "chrono", feature = "jiff", feature = "rust_decimal", feature = "sqlite", feature = "time"))]
mod tests;
#[cfg(feature = "time")]
mod time;

use std::fmt::Display;

use crate::error::Error;

/// The error of a value beyond what the other type holds.
fn out_of_range(value: impl Display, of: &str) -> Error {
    Error::validation(format!("{value} is out of range for a {of}"))
}

/// Makes a type of another crate a column, through `Timestamp` or `Date`, between which it converts both ways.
#[cfg(any(feature = "chrono", feature = "jiff", feature = "time"))]
macro_rules! column_through {
    ($through:ty, $v:ty $(, $moment:ident)?) => {
        impl $crate::schema::ColumnType for $v {
            const KIND: $crate::value::Kind = <$through as $crate::schema::ColumnType>::KIND;
            type NonNull = Self;
            /// The values of this type that a const can make may be out of range.
            type Literal = $through;
            fn literal(literal: $through) -> $crate::value::Value {
                <$through as $crate::schema::ColumnType>::literal(literal)
            }
            fn into_value(self) -> $crate::Result<$crate::value::Value> {
                <$through>::try_from(self)?.into_value()
            }
            fn from_value(value: $crate::value::Value) -> $crate::Result<Self> {
                let read = <$through as $crate::schema::ColumnType>::from_value(value)?;
                <$v>::try_from(read).map_err(|error| $crate::Error::new($crate::ErrorKind::Storage, error.message().to_owned()))
            }
        }
        impl $crate::schema::Scalar for $v {}
        impl $crate::query::typed::Ordered for $v {
            type Itself = Self;
        }
        $(impl $crate::query::typed::$moment for $v {})?
        $crate::query::typed::column_operands! { [] $v => $v }
    };
}
#[cfg(any(feature = "chrono", feature = "jiff", feature = "time"))]
use column_through;

/// Microseconds of nanoseconds, cut off towards the past.
#[cfg(any(feature = "time", feature = "jiff"))]
fn micros(nanos: i128) -> crate::Result<crate::value::Timestamp> {
    let micros = nanos.div_euclid(1_000);
    i64::try_from(micros)
        .map(crate::value::Timestamp::from_micros)
        .map_err(|_| out_of_range(format_args!("{micros} microseconds"), "timestamp"))
}
