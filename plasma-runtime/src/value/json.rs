//! The one JSON codec of rows.
//!
//! A row is a JSON object with one member per column, in declaration order when we write it, in any order when we read
//! it. There are two forms:
//!
//! - the **wire form**: what patches carry ([`encode_row`], [`decode_row`]);
//! - the **log form**: what the server's triggers write into the change log. It differs in blobs only, which SQLite can
//!   write as hex but not as base64 ([`decode_log_row`], [`log_to_wire`]).
//!
//! Reading is strict: a number outside its column's range, a second spelling of the same value (`"007"`, unpadded base64,
//! an id in upper case) and a member that comes twice are errors. Members of columns we do not know are ignored.
//!
//! | kind | JSON |
//! | --- | --- |
//! | id, text | string |
//! | int | number |
//! | bigint, timestamp, fixed | decimal string (of the units, for a fixed decimal) |
//! | float | number |
//! | bool | `true`, `false` |
//! | blob | padded standard base64 |
//! | json | the value |
//! | date | string `YYYY-MM-DD` |
//! | file | `{"hash":"..","size":1,"mime":".."}`, in this order |
//! | CRDT | its state ([`crdt`](crate::crdt)); the values in it in the wire form of their kind |
//! | sealed | an [`Envelope`](super::Envelope) |

mod decode;
mod encode;
#[cfg(test)]
pub(crate) mod tests;

use std::borrow::Cow;

use self::decode::Form;
pub(crate) use self::decode::{canonical_integer, is_row_id};
pub(crate) use self::encode::encode_kind_into;
pub use self::encode::{encode_row, encode_row_into, encode_value_into};
use super::{Kind, Row, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{ColumnDef, TableDef};

/// Reads a row in wire form.
///
/// A missing member is NULL for a nullable column and the default for a column that has one.
///
/// # Errors
/// [`Protocol`](ErrorKind::Protocol), naming table and column.
pub fn decode_row(table: &TableDef, json: &str) -> Result<Row> {
    decode::row(table, json, Form::Wire)
        .map_err(|e| Error::new(ErrorKind::Protocol, format!("a row of `{}` cannot be read: {e}", table.name)))
}

/// Reads a row in log form.
///
/// # Errors
/// [`Storage`](ErrorKind::Storage), naming table and column.
pub fn decode_log_row(table: &TableDef, json: &str) -> Result<Row> {
    decode::row(table, json, Form::Log).map_err(|e| {
        Error::new(ErrorKind::Storage, format!("a row of `{}` in the change log cannot be read: {e}", table.name))
    })
}

/// A row in log form as wire form. The text passes untouched when the table has no blob column.
///
/// # Errors
/// [`Storage`](ErrorKind::Storage), naming table and column.
pub fn log_to_wire<'j>(table: &TableDef, json: &'j str) -> Result<Cow<'j, str>> {
    if table.columns.iter().all(|column| column.kind != Kind::Blob) {
        return Ok(Cow::Borrowed(json));
    }
    Ok(Cow::Owned(encode_row(table, &decode_log_row(table, json)?)))
}

/// Reads one value in wire form, such as an argument of a mutation.
///
/// # Errors
/// [`Protocol`](ErrorKind::Protocol), naming the column.
pub fn decode_value(column: &ColumnDef, json: &str) -> Result<Value> {
    decode::value(column, json).map_err(|e| Error::new(ErrorKind::Protocol, e.to_string()))
}

/// Reads one value in wire form by its kind; none when it is no value of it. NULL is none.
pub(crate) fn decode_kind(kind: Kind, json: &str) -> Option<Value> {
    decode::value(&ColumnDef::new("value", kind), json).ok()
}
