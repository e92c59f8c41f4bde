//! Untyped values: what a column holds once the types are gone.
//!
//! One [`Value`], one comparator ([`compare`]), one JSON codec ([`json`]): the in-memory evaluator, SQLite and the
//! wire agree because they share them.

mod blind_index;
pub mod compare;
mod date;
pub(crate) mod envelope;
mod envelope_limits;
mod file;
mod fixed;
pub mod json;
mod key_id;
pub(crate) mod pq_envelope;
mod timestamp;

pub use blind_index::BlindIndex;
pub use date::Date;
pub use envelope::Envelope;
pub use envelope_limits::{EnvelopeError, EnvelopeLimits};
pub use file::{FileHash, FileRef};
pub(crate) use file::{MAX_FILE_SIZE, MAX_MIME};
pub use fixed::{Fixed, Rounding};
pub use key_id::KeyId;
pub use pq_envelope::{PqEnvelope, is_pq_envelope};
pub use timestamp::Timestamp;

use crate::crdt::CrdtKind;

/// What kind of values a column holds. Decides storage, order and JSON form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A row id or a reference: lower-case hyphenated UUID text. [`Value::Text`].
    Id,
    /// UTF-8 text without U+0000. [`Value::Text`].
    Text,
    /// `i32`; a JSON number. [`Value::Int`].
    Int,
    /// `i64`; a decimal string in JSON. [`Value::Int`].
    BigInt,
    /// Finite `f64`, never -0.0; a JSON number. [`Value::Float`].
    Float,
    /// `true` or `false`; 0 or 1 in SQLite. [`Value::Bool`].
    Bool,
    /// Bytes; padded standard base64 in JSON. [`Value::Blob`].
    Blob,
    /// Any JSON value, kept as its compact text. [`Value::Json`].
    Json,
    /// A calendar date of the years 1 to 9999: text `YYYY-MM-DD`. [`Value::Text`].
    Date,
    /// An exact decimal as a number of units of 10^-n, n being the scale in the kind; a decimal string of the units in
    /// JSON. [`Value::Int`].
    Fixed(u8),
    /// A reference to a file: JSON `{"hash":..,"size":..,"mime":..}`, compact and in this order. [`Value::Json`].
    File,
    /// Microseconds since 1970-01-01 UTC; a decimal string in JSON. [`Value::Int`].
    Timestamp,
    /// The state of a CRDT in its canonical JSON ([`crdt`](crate::crdt)). [`Value::Json`].
    Crdt(CrdtKind),
    /// A value that only those with its key can read: the canonical JSON of an [`Envelope`]. [`Value::Json`].
    Sealed,
}

/// One untyped value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// A [`Kind::Bool`].
    Bool(bool),
    /// A [`Kind::Int`], [`Kind::BigInt`], [`Kind::Timestamp`] or [`Kind::Fixed`].
    Int(i64),
    /// A [`Kind::Float`].
    Float(f64),
    /// A [`Kind::Id`], [`Kind::Text`] or [`Kind::Date`].
    Text(String),
    /// A [`Kind::Blob`].
    Blob(Vec<u8>),
    /// A [`Kind::Json`], [`Kind::File`], [`Kind::Crdt`] or [`Kind::Sealed`] as compact JSON text.
    Json(String),
    /// Related rows in a query's answer ([`Nested`](crate::query::ir::Nested)). No column holds them, and they have no
    /// order.
    Rows(Vec<Row>),
}

/// The values of one row, in the order of the table's columns (or of the projection).
pub type Row = Vec<Value>;

impl Value {
    /// Whether this is [`Value::Null`].
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The text of a [`Value::Text`].
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer of a [`Value::Int`].
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}
impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Value::Int(n)
    }
}
impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Value::Bool(b)
    }
}
