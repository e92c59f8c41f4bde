//! Enums as columns: the parts of `#[derive(plasma::Column)]` that need no types.

use plasma_runtime::error::{Error, ErrorKind, Result};
use plasma_runtime::value::Value;

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

/// The error for a text that is no variant, such as one of a newer client.
pub fn unknown_variant(text: &str, name: &str) -> Error {
    Error::new(ErrorKind::Storage, format!("`{text}` is no variant of `{name}`; a newer program may have written it"))
}
