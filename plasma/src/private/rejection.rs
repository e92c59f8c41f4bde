//! The data of a rejection.

use plasma_runtime::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What a field of a rejection can be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a rejection",
    label = "cannot be written as JSON and read from JSON",
    note = "derive both for it: `#[derive(serde::Serialize, serde::Deserialize)]`"
)]
pub trait RejectionField: Sized {
    /// As JSON.
    ///
    /// # Errors
    /// Those of serde.
    fn write(&self) -> serde_json::Result<Value>;
    /// From JSON; None when it does not fit.
    fn read(json: &Value) -> Option<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> RejectionField for T {
    fn write(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }
    fn read(json: &Value) -> Option<Self> {
        T::deserialize(json).ok()
    }
}

/// How a field is written and read. Made once for a field, so that a type that is neither is one error.
#[derive(Debug)]
pub struct FieldOf<T> {
    /// As JSON.
    pub write: fn(&T) -> serde_json::Result<Value>,
    /// From JSON; None when it does not fit.
    pub read: fn(&Value) -> Option<T>,
}

/// The way of `T`.
pub const fn field_of<T: RejectionField>() -> FieldOf<T> {
    FieldOf { write: T::write, read: T::read }
}

/// A member of the data; null when it is not there, which only a field that may be missing takes. None when the data is
/// no object.
pub fn member<'d>(data: Option<&'d Value>, name: &str) -> Option<&'d Value> {
    const MISSING: &Value = &Value::Null;
    Some(data?.as_object()?.get(name).unwrap_or(MISSING))
}

/// The error of a variant whose fields have names.
pub fn with_members<const N: usize>(
    code: &'static str,
    message: &'static str,
    members: [(&'static str, serde_json::Result<Value>); N],
) -> Error {
    let members = members.into_iter().map(|(name, value)| value.map(|value| (name.to_owned(), value)));
    with_value(code, message, members.collect::<serde_json::Result<Map<_, _>>>().map(Value::Object))
}

/// The error of a variant of one value. A value that is no JSON is a defect of the application.
pub fn with_value(code: &'static str, message: &'static str, value: serde_json::Result<Value>) -> Error {
    match value {
        Ok(value) => Error::rejected(code, message).with_data(value),
        Err(error) => {
            Error::internal(format!("the data of the rejection `{code}` cannot be written as JSON")).with_source(error)
        }
    }
}
