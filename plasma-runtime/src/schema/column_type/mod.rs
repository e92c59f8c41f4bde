//! Rust types that can be columns.

mod at_rest;
mod derive_id;
#[cfg(any(feature = "chrono", feature = "jiff", feature = "rust_decimal", feature = "time"))]
mod external;
mod id;
mod json;
mod scalar;
mod sealed;

pub use at_rest::AtRest;
pub use derive_id::{IdHasher, IdPart, IdParts};
pub use id::Id;
pub use json::Json;
pub use sealed::{Sealed, SealedColumn};

use crate::error::{Error, Result};
use crate::value::{Kind, Value};

/// A Rust type that can be stored in a column.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in a plasma column",
    label = "not a column type",
    note = "column types are `Id<T>`, `String`, `i32`, `i64`, `f64`, `bool`, `Vec<u8>`, `Json<T>`, `Timestamp`, `Date`, `Fixed<N>` (`N` up to 18), `FileRef`, the encrypted `AtRest<T>` and `Sealed<T>` with their `BlindIndex`, the CRDTs `GCounter`, `PnCounter`, `Lww<T>`, `OrSet<T>` and `Text`, newtypes and unit-only enums with `#[derive(plasma::Column)]`, and `Option` of any of them but CRDTs",
    note = "to store a value of your own type wrap it: `Json<{Self}>`"
)]
pub trait ColumnType: Sized + 'static {
    /// How the values are stored.
    const KIND: Kind;
    /// Whether the column may be NULL. True for `Option<_>` only.
    const NULLABLE: bool = false;
    /// The table an id refers to.
    const REFERENCES: Option<&'static str> = None;
    /// Whether the client keeps the values encrypted ([`ColumnDef::at_rest`](super::ColumnDef::at_rest)).
    const AT_REST: bool = false;
    /// What the column holds in a row that does not name it and without a default: of CRDTs that begin empty.
    const EMPTY: Option<fn() -> Value> = None;
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
    note = "`Option<Option<_>>` has no meaning in a table, and a CRDT is never missing: counters and sets begin empty, an `Lww` with a value"
)]
pub trait Scalar: ColumnType<NonNull = Self> {}

impl<V: Scalar> ColumnType for Option<V> {
    const KIND: Kind = V::KIND;
    const NULLABLE: bool = true;
    const REFERENCES: Option<&'static str> = V::REFERENCES;
    const AT_REST: bool = V::AT_REST;
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

fn unexpected<T>(expected: &str, value: &Value) -> Result<T> {
    Err(Error::new(crate::ErrorKind::Storage, format!("expected {expected} in the column, found {value:?}")))
}
