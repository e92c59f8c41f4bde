//! A keyed hash beside an encrypted column, to find equal values by.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::query::typed::column_operands;
use crate::schema::{ColumnType, Scalar};
use crate::value::{Kind, Value};

/// The length of an index, in bytes: an HMAC-SHA256.
const LENGTH: usize = 32;

/// What stands for an encrypted text where rows are looked up by it: a keyed hash, compared for equality and for nothing
/// else. Made by `BlindIndex::of` (feature `encryption`) from the text and the data key; stored as 32 bytes, in JSON as
/// padded standard base64.
///
/// ```
/// use plasma_runtime::value::BlindIndex;
///
/// // What came over the wire; who has the key makes it with `BlindIndex::of`.
/// let index = BlindIndex::from_bytes([7; 32]);
/// assert_eq!(index, index.clone());
/// ```
///
/// A column of them is compared with `eq`, `ne`, `is` and `is_in`; there is no order to sort or to compare by:
///
/// ```
/// # use plasma_runtime::{query::{Col, Filter}, schema::Table, value::BlindIndex};
/// fn those<T: Table>(column: Col<T, BlindIndex>, index: BlindIndex) -> Filter<T> {
///     column.eq(index).into()
/// }
/// ```
///
/// ```compile_fail
/// # use plasma_runtime::{query::{Col, Filter}, schema::Table, value::BlindIndex};
/// fn those<T: Table>(column: Col<T, BlindIndex>, index: BlindIndex) -> Filter<T> {
///     column.lt(index).into()
/// }
/// ```
///
/// # What it tells
/// Whoever reads the column, the server above all, learns which rows have equal texts and how often each occurs, and
/// sees when a look-up asks for one of them. In a column of few different values, such as a status or a country, counts
/// alone can give the values away. Nobody without the key can compute the index of a guess; an equal text in another table
/// or column, or under another key, has another index.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BlindIndex([u8; LENGTH]);

impl BlindIndex {
    /// The index with these bytes.
    pub const fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        BlindIndex(bytes)
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlindIndex({})", STANDARD.encode(self.0))
    }
}

impl Serialize for BlindIndex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for BlindIndex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(BlindIndex).ok_or_else(|| serde::de::Error::custom("expected a blind index: 32 bytes in base64"))
    }
}

#[diagnostic::do_not_recommend]
impl ColumnType for BlindIndex {
    const KIND: Kind = Kind::Blob;
    type NonNull = Self;
    /// No const can hold the hash of a secret.
    type Literal = std::convert::Infallible;
    fn literal(literal: Self::Literal) -> Value {
        match literal {}
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Blob(self.0.to_vec()))
    }
    fn from_value(value: Value) -> Result<Self> {
        let bytes = match &value {
            Value::Blob(bytes) => bytes.as_slice().try_into().ok(),
            _ => None,
        };
        bytes.map(BlindIndex).ok_or_else(|| {
            Error::new(crate::ErrorKind::Storage, format!("expected a blind index in the column, found {value:?}"))
        })
    }
}
#[diagnostic::do_not_recommend]
impl Scalar for BlindIndex {}

column_operands! { [] BlindIndex => BlindIndex }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_32_bytes_everywhere() {
        let index = BlindIndex::from_bytes([0xa5; 32]);
        let value = index.clone().into_value().unwrap();
        assert_eq!(value, Value::Blob(vec![0xa5; 32]));
        assert_eq!(BlindIndex::from_value(value).unwrap(), index);
        assert!(BlindIndex::from_value(Value::Blob(vec![0xa5; 31])).is_err());
        assert!(BlindIndex::from_value(Value::Null).is_err());
        let json = serde_json::to_string(&index).unwrap();
        assert_eq!(json, format!("\"{}\"", STANDARD.encode([0xa5; 32])));
        assert_eq!(serde_json::from_str::<BlindIndex>(&json).unwrap(), index);
        for wrong in ["\"\"", "\"pQ==\"", "1", "null", "\"%%%%\""] {
            assert!(serde_json::from_str::<BlindIndex>(wrong).is_err(), "{wrong}");
        }
    }
}
