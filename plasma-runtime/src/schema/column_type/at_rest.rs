//! Values that the client keeps encrypted.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ColumnType, Scalar};
use crate::error::{Error, Result};
use crate::value::{Kind, Value};

/// A column that the server, the wire and the program have in clear, and the file of a client has encrypted.
///
/// It protects what a lost or stolen device holds, and nothing else: whoever runs the server reads the values. A client
/// whose schema has such columns is opened with `ClientBuilder::encryption`; without a key it does not open.
///
/// Queries read it and test it for NULL. They do not compare, order or group by it, and no index or unique set has it: the
/// client would have to decrypt every row of the table for that.
///
/// `Debug` does not show the value, so that a row can be logged.
///
/// ```
/// use plasma_runtime::schema::AtRest;
/// let secret = AtRest::from("at home".to_owned());
/// assert_eq!(secret.len(), 7);
/// assert_eq!(format!("{secret:?}"), "AtRest(..)");
/// assert_eq!(serde_json::to_string(&secret)?, "\"at home\"");
/// assert_eq!(secret.into_inner(), "at home");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct AtRest<T>(T);

impl<T> AtRest<T> {
    /// The column's value of this plain one.
    pub const fn new(value: T) -> Self {
        AtRest(value)
    }

    /// The plain value.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// The plain value, for good.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for AtRest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AtRest(..)")
    }
}

impl<T> From<T> for AtRest<T> {
    fn from(value: T) -> Self {
        AtRest(value)
    }
}

impl From<&str> for AtRest<String> {
    fn from(text: &str) -> Self {
        AtRest(text.to_owned())
    }
}

impl<T> Deref for AtRest<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for AtRest<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Serialize> Serialize for AtRest<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for AtRest<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(AtRest)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Scalar> ColumnType for AtRest<T> {
    const KIND: Kind = T::KIND;
    const AT_REST: bool = true;
    type NonNull = Self;
    type Literal = T::Literal;
    fn literal(literal: Self::Literal) -> Value {
        T::literal(literal)
    }
    fn into_value(self) -> Result<Value> {
        self.0.into_value()
    }
    fn from_value(value: Value) -> Result<Self> {
        // The error of the type itself may repeat the value, and errors are logged.
        T::from_value(value).map(AtRest).map_err(|error| {
            Error::new(error.kind(), "a value of a column that is encrypted in the client's file is not of its type")
        })
    }
}

#[diagnostic::do_not_recommend]
impl<T: Scalar> Scalar for AtRest<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value of a newer version of the application, say: whoever logs the error logs no value.
    #[test]
    fn the_error_of_a_value_of_another_type_does_not_repeat_it() {
        let plain = i64::from_value(Value::Text("secret".into())).unwrap_err();
        assert!(plain.message().contains("secret"), "{plain}");
        for error in [
            AtRest::<i64>::from_value(Value::Text("secret".into())).unwrap_err(),
            Option::<AtRest<i64>>::from_value(Value::Text("secret".into())).unwrap_err(),
        ] {
            assert_eq!(error.kind(), plain.kind());
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }
}
