//! Cells of a SQLite store that are sealed on their way into the file.
//!
//! The border is the connection: a statement that writes such a cell seals it with the SQL function `plasma_seal`, and a
//! temporary view in front of its table opens it with `plasma_open`. Everything between two statements is plain; nothing
//! that SQLite writes is.

use std::fmt;

use super::SqlConnection;
use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;

/// The SQL function `plasma_seal(value, table, column, row)`. NULL stays NULL.
pub const SEAL: &str = "plasma_seal";
/// The SQL function `plasma_open(cell, table, column, row)`. NULL stays NULL.
pub const OPEN: &str = "plasma_open";

/// Where a cell stands. It opens there and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'p> {
    /// SQL name of the table.
    pub table: &'p str,
    /// SQL name of the column.
    pub column: &'p str,
    /// What names the row in its table.
    pub row: &'p str,
}

/// What seals and opens the cells of a store.
pub trait Cells: fmt::Debug + Send + Sync {
    /// Whether anything is sealed now: a schema without such columns needs nothing.
    fn is_on(&self) -> bool;

    /// Seals the bytes of a value.
    ///
    /// # Errors
    /// When the key has sealed as much as it may.
    fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>>;

    /// The opposite.
    ///
    /// # Errors
    /// When these bytes were not sealed with this key for this place.
    fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>>;

    /// The id of the key that seals.
    fn key_id(&self) -> String;

    /// Asked before a transaction is committed: how many cells are to be added to the count that the store keeps (which
    /// runs ahead, so that it is often 0); none when nothing was sealed since the last time.
    fn to_be_counted(&self) -> Option<u64>;
}

/// A value for a column of a table of the library's own: sealed where the store seals.
///
/// # Errors
/// Those of [`Cells::seal`].
#[cfg_attr(not(feature = "client"), allow(dead_code))]
pub(crate) fn sealed(store: &dyn SqlConnection, table: &str, column: &str, row: &str, value: Value) -> Result<Value> {
    let Some(cells) = store.cells().filter(|cells| cells.is_on()) else { return Ok(value) };
    match Plain::of(&value) {
        None => Ok(value),
        Some(plain) => cells.seal(Place { table, column, row }, &plain.bytes()).map(Value::Blob),
    }
}

/// A value without its kind, as SQLite has it: what is sealed is its storage class and its bytes.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(not(any(feature = "sqlite", feature = "client")), allow(dead_code))]
pub(crate) enum Plain<'v> {
    Integer(i64),
    Real(f64),
    Text(&'v str),
    Blob(&'v [u8]),
}

impl<'v> Plain<'v> {
    #[cfg_attr(not(feature = "client"), allow(dead_code))]
    fn of(value: &'v Value) -> Option<Self> {
        Some(match value {
            Value::Null | Value::Rows(_) => return None,
            Value::Bool(b) => Plain::Integer((*b).into()),
            Value::Int(n) => Plain::Integer(*n),
            Value::Float(x) => Plain::Real(*x),
            Value::Text(text) | Value::Json(text) => Plain::Text(text),
            Value::Blob(bytes) => Plain::Blob(bytes),
        })
    }

    /// One byte for the storage class, and the value's.
    #[cfg_attr(not(any(feature = "sqlite", feature = "client")), allow(dead_code))]
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (class, value): (u8, &[u8]) = match self {
            Plain::Integer(n) => (1, &n.to_le_bytes()),
            Plain::Real(x) => (2, &x.to_le_bytes()),
            Plain::Text(text) => (3, text.as_bytes()),
            Plain::Blob(bytes) => (4, bytes),
        };
        let mut all = Vec::with_capacity(1 + value.len());
        all.push(class);
        all.extend_from_slice(value);
        all
    }

    /// The opposite; none when they are no such bytes.
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code))]
    pub(crate) fn read(bytes: &'v [u8]) -> Option<Self> {
        let (class, value) = bytes.split_first()?;
        Some(match class {
            1 => Plain::Integer(i64::from_le_bytes(value.try_into().ok()?)),
            2 => Plain::Real(f64::from_le_bytes(value.try_into().ok()?)),
            3 => Plain::Text(std::str::from_utf8(value).ok()?),
            4 => Plain::Blob(value),
            _ => return None,
        })
    }
}

/// The error of a cell that does not open: always the same text, whatever is wrong with it.
#[cfg_attr(not(any(feature = "sqlite", feature = "encryption")), allow(dead_code))]
pub(crate) fn does_not_open(place: Place<'_>) -> Error {
    let message = format!("an encrypted value of `{}.{}` is not what was sealed there", place.table, place.column);
    Error::new(ErrorKind::Encryption, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_it_was() {
        for plain in [
            Plain::Integer(i64::MIN),
            Plain::Integer(0),
            Plain::Real(-1.5e300),
            Plain::Text(""),
            Plain::Text("a\u{e9}"),
            Plain::Blob(&[]),
            Plain::Blob(&[0, 255]),
        ] {
            assert_eq!(Plain::read(&plain.bytes()), Some(plain));
        }
        for bytes in [&[][..], &[0], &[1, 2], &[3, 255], &[5]] {
            assert_eq!(Plain::read(bytes), None, "{bytes:?}");
        }
    }
}
