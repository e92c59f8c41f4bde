//! Rust types that can be columns.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::Table;
use crate::error::{Error, Result};
use crate::value::{Kind, Timestamp, Value};

/// A Rust type that can be stored in a column.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in a plasma column",
    label = "not a column type",
    note = "column types are `Id<T>`, `String`, `i32`, `i64`, `f64`, `bool`, `Vec<u8>`, `Json<T>`, `Timestamp`, newtypes and unit-only enums with `#[derive(plasma::Column)]`, and `Option` of any of them",
    note = "to store a value of your own type wrap it: `Json<{Self}>`"
)]
pub trait ColumnType: Sized + 'static {
    /// How the values are stored.
    const KIND: Kind;
    /// Whether the column may be NULL. True for `Option<_>` only.
    const NULLABLE: bool = false;
    /// The table an id refers to.
    const REFERENCES: Option<&'static str> = None;
    /// The type without its `Option`.
    type NonNull: ColumnType;
    /// What `#[column(default = ..)]` must be.
    type Literal: 'static;

    /// The value a default literal stands for.
    fn literal(literal: Self::Literal) -> Value;

    /// The untyped value.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when the value cannot be stored: a number that is not finite, text
    /// with U+0000.
    fn into_value(self) -> Result<Value>;

    /// Reads a stored value.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the value is not one of this type, such as an enum variant of a
    /// newer client.
    fn from_value(value: Value) -> Result<Self>;
}

/// A column type that may be wrapped in `Option`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made nullable",
    label = "`Option` may only wrap a plain column type",
    note = "`Option<Option<_>>` has no meaning in a table"
)]
pub trait Scalar: ColumnType<NonNull = Self> {}

fn unexpected<T>(expected: &str, value: &Value) -> Result<T> {
    Err(Error::new(crate::ErrorKind::Storage, format!("expected {expected} in the column, found {value:?}")))
}

/// Text must not hold U+0000: Postgres refuses it, and both sides must agree.
fn text(text: String) -> Result<Value> {
    if text.contains('\0') {
        return Err(Error::validation("text must not contain the character U+0000"));
    }
    Ok(Value::Text(text))
}

impl ColumnType for String {
    const KIND: Kind = Kind::Text;
    type NonNull = Self;
    type Literal = &'static str;
    fn literal(literal: Self::Literal) -> Value {
        Value::Text(literal.to_owned())
    }
    fn into_value(self) -> Result<Value> {
        text(self)
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Text(text) => Ok(text),
            other => unexpected("text", &other),
        }
    }
}
impl Scalar for String {}

impl ColumnType for i32 {
    const KIND: Kind = Kind::Int;
    type NonNull = Self;
    type Literal = i32;
    fn literal(literal: i32) -> Value {
        Value::Int(literal.into())
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Int(self.into()))
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Int(n) => n.try_into().or_else(|_| unexpected("a 32-bit integer", &Value::Int(n))),
            other => unexpected("a 32-bit integer", &other),
        }
    }
}
impl Scalar for i32 {}

impl ColumnType for i64 {
    const KIND: Kind = Kind::BigInt;
    type NonNull = Self;
    type Literal = i64;
    fn literal(literal: i64) -> Value {
        Value::Int(literal)
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Int(self))
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Int(n) => Ok(n),
            other => unexpected("an integer", &other),
        }
    }
}
impl Scalar for i64 {}

impl ColumnType for f64 {
    const KIND: Kind = Kind::Float;
    type NonNull = Self;
    type Literal = f64;
    fn literal(literal: f64) -> Value {
        Value::Float(literal)
    }
    fn into_value(self) -> Result<Value> {
        if !self.is_finite() {
            return Err(Error::validation(format!("a float column holds finite numbers, not {self}")));
        }
        // -0.0 equals 0.0 but has another JSON form: store one of them.
        Ok(Value::Float(if self == 0.0 { 0.0 } else { self }))
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Float(x) => Ok(x),
            other => unexpected("a float", &other),
        }
    }
}
impl Scalar for f64 {}

impl ColumnType for bool {
    const KIND: Kind = Kind::Bool;
    type NonNull = Self;
    type Literal = bool;
    fn literal(literal: bool) -> Value {
        Value::Bool(literal)
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Bool(self))
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Bool(b) => Ok(b),
            other => unexpected("a boolean", &other),
        }
    }
}
impl Scalar for bool {}

impl ColumnType for Vec<u8> {
    const KIND: Kind = Kind::Blob;
    type NonNull = Self;
    type Literal = &'static [u8];
    fn literal(literal: Self::Literal) -> Value {
        Value::Blob(literal.to_vec())
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Blob(self))
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Blob(bytes) => Ok(bytes),
            other => unexpected("bytes", &other),
        }
    }
}
impl Scalar for Vec<u8> {}

impl ColumnType for Timestamp {
    const KIND: Kind = Kind::Timestamp;
    type NonNull = Self;
    type Literal = Timestamp;
    fn literal(literal: Timestamp) -> Value {
        Value::Int(literal.micros())
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Int(self.micros()))
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Int(micros) => Ok(Timestamp::from_micros(micros)),
            other => unexpected("a timestamp", &other),
        }
    }
}
impl Scalar for Timestamp {}

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

impl<V: Scalar> ColumnType for Option<V> {
    const KIND: Kind = V::KIND;
    const NULLABLE: bool = true;
    const REFERENCES: Option<&'static str> = V::REFERENCES;
    type NonNull = V;
    type Literal = V::Literal;
    fn literal(literal: Self::Literal) -> Value {
        V::literal(literal)
    }
    fn into_value(self) -> Result<Value> {
        self.map_or(Ok(Value::Null), V::into_value)
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Null => Ok(None),
            value => V::from_value(value).map(Some),
        }
    }
}

/// The id of a row of table `T`: a UUID, lower-case and hyphenated as text.
///
/// As a field of another table it is a foreign key to `T`.
pub struct Id<T>(Uuid, PhantomData<fn() -> T>);

impl<T> Id<T> {
    /// The id with this UUID.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Id(uuid, PhantomData)
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
    type Literal = std::convert::Infallible;
    fn literal(literal: Self::Literal) -> Value {
        match literal {}
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
