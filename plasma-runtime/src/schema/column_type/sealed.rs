//! End-to-end encrypted columns.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ColumnType, Scalar};
use crate::crdt::Lww;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Envelope, KeyId, Kind, Value};

/// A `T` that only those with its key can read: the column, the outbox, the wire and the server hold its [`Envelope`] and
/// nothing else.
///
/// It is made by sealing and in no other way, and there is no open form of it: whatever is done with a `Sealed<T>`, its
/// text is not in it. The value inside is written as JSON before it is encrypted, so `T` is any serde type.
///
/// Envelopes of equal values differ, so a query cannot compare, order or group them; a
/// [`BlindIndex`](crate::value::BlindIndex) column beside it finds equal values.
pub struct Sealed<T> {
    envelope: Envelope,
    value: PhantomData<fn() -> T>,
}

impl<T> Sealed<T> {
    /// The value in this envelope, whoever made it. Nothing is known of what is inside before it is opened.
    pub const fn from_envelope(envelope: Envelope) -> Self {
        Sealed { envelope, value: PhantomData }
    }

    /// The envelope.
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The id of the key that opens it.
    pub const fn key_id(&self) -> &KeyId {
        &self.envelope.key_id
    }
}

impl<T> Clone for Sealed<T> {
    fn clone(&self) -> Self {
        Self::from_envelope(self.envelope.clone())
    }
}
impl<T> PartialEq for Sealed<T> {
    /// Whether they are the same envelope. Two envelopes of one value are different.
    fn eq(&self, other: &Self) -> bool {
        self.envelope == other.envelope
    }
}
impl<T> Eq for Sealed<T> {}
impl<T> Hash for Sealed<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.envelope.hash(state);
    }
}
impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed(key `{}`, {} bytes)", self.envelope.key_id, self.envelope.ciphertext.len())
    }
}

impl<T> Serialize for Sealed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.envelope.serialize(serializer)
    }
}
impl<'de, T> Deserialize<'de> for Sealed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Envelope::deserialize(deserializer).map(Self::from_envelope)
    }
}

impl<T: 'static> ColumnType for Sealed<T> {
    const KIND: Kind = Kind::Sealed;
    type NonNull = Self;
    type Literal = std::convert::Infallible;
    fn literal(literal: Self::Literal) -> Value {
        match literal {}
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Json(self.envelope.to_json()))
    }
    fn from_value(value: Value) -> Result<Self> {
        let envelope = match value {
            Value::Json(json) => Envelope::from_json(&json).ok(),
            _ => None,
        };
        // What is there instead may be what was to be sealed: it is not repeated.
        envelope
            .map(Self::from_envelope)
            .ok_or_else(|| Error::new(ErrorKind::Storage, "expected an envelope in the column, found something else"))
    }
}
impl<T: 'static> Scalar for Sealed<T> {}

/// Column types that hold a `Sealed<_>`: itself, `Option` and `Lww` of it.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` column holds nothing that is sealed",
    label = "expected a column of type `Sealed<_>`, `Option<Sealed<_>>` or `Lww<Sealed<_>>`"
)]
pub trait SealedColumn: ColumnType {
    /// The type of the value inside.
    type Value: 'static;
}
impl<T: 'static> SealedColumn for Sealed<T> {
    type Value = T;
}
impl<T: 'static> SealedColumn for Option<Sealed<T>> {
    type Value = T;
}
impl<T: 'static> SealedColumn for Lww<Sealed<T>>
where
    Lww<Sealed<T>>: ColumnType,
{
    type Value = T;
}
