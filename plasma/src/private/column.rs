//! Enums as columns: the parts of `#[derive(plasma::Column)]` that need no types.

use std::fmt::Display;

use plasma_runtime::error::{Error, ErrorKind, Result};
use plasma_runtime::query::typed::Textual;
use plasma_runtime::value::{Kind, Value};

/// The stored form of a variant.
pub fn text_value(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// The text of a stored variant.
///
/// # Errors
/// [`Storage`](ErrorKind::Storage) when the column holds something else.
pub fn variant_text<'v>(value: &'v Value, name: &str) -> Result<&'v str> {
    value.as_text().ok_or_else(|| {
        Error::new(ErrorKind::Storage, format!("expected the text of a `{name}` in the column, found {value:?}"))
    })
}

/// The stored form of a variant that is a number.
pub fn int_value(number: i32) -> Value {
    Value::Int(number.into())
}

/// The number of a stored variant.
///
/// # Errors
/// [`Storage`](ErrorKind::Storage) when the column holds something else.
pub fn variant_int(value: &Value, name: &str) -> Result<i32> {
    value.as_int().and_then(|number| i32::try_from(number).ok()).ok_or_else(|| {
        Error::new(ErrorKind::Storage, format!("expected the number of a `{name}` in the column, found {value:?}"))
    })
}

/// The error for a value that is no variant, such as one of a newer client.
pub fn unknown_variant(value: impl Display, name: &str) -> Error {
    Error::new(ErrorKind::Storage, format!("`{value}` is no variant of `{name}`; a newer program may have written it"))
}

/// The error for a write of an `other` variant that does not know which value it stands for.
pub fn other_is_not_stored(variant: &str) -> Error {
    Error::validation(format!(
        "`{variant}` stands for a value of a newer program, which writing it would destroy; a variant that keeps the \
         value can be written back"
    ))
}

/// Whether a kind is one of numbers.
pub const fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::Int | Kind::BigInt | Kind::Float | Kind::Fixed(_))
}

/// Asserts that a newtype with `#[column(text)]` is text.
pub const fn holds_text<V: Textual>() {}
