//! Any serde type as a column.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ColumnType, Scalar, unexpected};
use crate::error::{Error, Result};
use crate::value::{Kind, Value};

/// A JSON column: any serde type, kept as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Json<T>(pub T);

impl<T: Serialize> Serialize for Json<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Json<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Json)
    }
}

impl<T: Serialize + serde::de::DeserializeOwned + 'static> ColumnType for Json<T> {
    const KIND: Kind = Kind::Json;
    type NonNull = Self;
    type Literal = &'static str;
    fn literal(literal: &'static str) -> Value {
        Value::Json(literal.to_owned())
    }
    fn into_value(self) -> Result<Value> {
        let json = serde_json::to_string(&self.0)
            .map_err(|e| Error::validation(format!("the value of a JSON column cannot be written as JSON: {e}")))?;
        Ok(Value::Json(json))
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Json(json) => serde_json::from_str(&json).map(Json).map_err(|e| {
                Error::new(
                    crate::ErrorKind::Storage,
                    format!("the JSON column does not hold a `{}`: {e}", std::any::type_name::<T>()),
                )
            }),
            other => unexpected("JSON", &other),
        }
    }
}
impl<T: Serialize + serde::de::DeserializeOwned + 'static> Scalar for Json<T> {}
