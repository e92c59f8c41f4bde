//! Row ids.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::{ColumnType, Scalar, unexpected};
use crate::error::{Error, Result};
use crate::schema::Table;
use crate::value::{Kind, Value};

/// The id of a row of table `T`: a UUID, lower-case and hyphenated as text.
///
/// As a field of another table it is a foreign key to `T`.
pub struct Id<T>(Uuid, PhantomData<fn() -> T>);

impl<T> Id<T> {
    /// The id with this UUID.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Id(uuid, PhantomData)
    }

    /// The id whose UUID is this number, for consts such as the default of a column.
    pub const fn from_u128(number: u128) -> Self {
        Id::from_uuid(Uuid::from_u128(number))
    }

    /// The UUID.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Id<T> {}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}
impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl<T> FromStr for Id<T> {
    type Err = Error;
    /// Reads the one accepted form: 36 characters, lower case, hyphenated.
    fn from_str(text: &str) -> Result<Self> {
        match Uuid::try_parse(text) {
            Ok(uuid) if text.len() == 36 && !text.bytes().any(|b| b.is_ascii_uppercase()) => Ok(Id(uuid, PhantomData)),
            _ => Err(Error::validation(format!("`{text}` is not a row id: expected a lower-case hyphenated UUID"))),
        }
    }
}
impl<T> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
impl<'de, T> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<T: Table> ColumnType for Id<T> {
    const KIND: Kind = Kind::Id;
    const REFERENCES: Option<&'static str> = Some(T::NAME);
    type NonNull = Self;
    type Literal = Self;
    fn literal(literal: Self) -> Value {
        Value::Text(literal.to_string())
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Text(self.to_string()))
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Text(text) => text.parse(),
            other => unexpected("a row id", &other),
        }
    }
}
impl<T: Table> Scalar for Id<T> {}
