//! Table options: the parts that need no types of the application.

use plasma_runtime::error::Result;
use plasma_runtime::query::ir;
use plasma_runtime::query::typed::Filter;
use serde::{Deserialize, Deserializer};

/// What `check = ..` takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a condition on a row of `{T}`",
    label = "expected a `bool` column of `{T}` or a comparison with one",
    note = "a check sees the columns of its own row and nothing else: `check = {T}::qty.gte(0)`"
)]
pub trait RowCondition<T>: Into<Filter<T>> {}
#[diagnostic::do_not_recommend]
impl<T, C: Into<Filter<T>>> RowCondition<T> for C {}

/// `check = ..`: the condition over a row of `T`.
///
/// # Errors
/// [`Validation`](plasma_runtime::ErrorKind::Validation) when it holds a value that no column can hold.
pub fn condition<T, C: RowCondition<T>>(condition: C) -> Result<ir::Expr> {
    condition.into().into_ir()
}

/// A field of a patch that is there: also `null`, which only a column that may be null takes.
///
/// # Errors
/// Those of the deserializer.
pub fn patch_field<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
