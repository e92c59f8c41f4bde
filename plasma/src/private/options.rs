//! Table options: the parts that need no types of the application.

use plasma_runtime::error::Result;
use plasma_runtime::query::ir;
use plasma_runtime::query::typed::Filter;
use serde::{Deserialize, Deserializer};

/// `check = ..`: the condition over a row of `T`.
///
/// # Errors
/// [`Validation`](plasma_runtime::ErrorKind::Validation) when it holds a value that no column can hold.
pub fn condition<T, C: Into<Filter<T>>>(condition: C) -> Result<ir::Expr> {
    condition.into().into_ir()
}

/// A field of a patch that is there: also `null`, which only a column that may be null takes.
///
/// # Errors
/// Those of the deserializer.
pub fn patch_field<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
