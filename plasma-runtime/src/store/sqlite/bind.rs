//! Values in and out of rusqlite.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Row as SqliteRow, ToSql};

use super::error::from_rusqlite;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Kind, Row, Value};

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Bool(b) => ValueRef::Integer(i64::from(*b)),
            Value::Int(n) => ValueRef::Integer(*n),
            // -0.0 is stored as 0.0.
            Value::Float(x) => ValueRef::Real(if *x == 0.0 { 0.0 } else { *x }),
            // No column holds rows: no constraint lets this NULL through where it would matter.
            Value::Rows(_) => ValueRef::Null,
            Value::Text(text) | Value::Json(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// One result row, each column read by its kind.
pub(super) fn read_row(row: &SqliteRow<'_>, kinds: &[Kind]) -> Result<Row> {
    let mut values = Vec::with_capacity(kinds.len());
    for (index, kind) in kinds.iter().enumerate() {
        let raw = row.get_ref(index).map_err(from_rusqlite)?;
        match read_value(raw, *kind) {
            Some(value) => values.push(value),
            None => return Err(unreadable(row, index, *kind, raw)),
        }
    }
    Ok(values)
}

fn read_value(raw: ValueRef<'_>, kind: Kind) -> Option<Value> {
    Some(match (kind, raw) {
        (_, ValueRef::Null) => Value::Null,
        (Kind::Id | Kind::Text | Kind::Date, ValueRef::Text(bytes)) => {
            Value::Text(std::str::from_utf8(bytes).ok()?.to_owned())
        }
        (Kind::Json | Kind::File | Kind::Crdt(_) | Kind::Sealed, ValueRef::Text(bytes)) => {
            Value::Json(std::str::from_utf8(bytes).ok()?.to_owned())
        }
        (Kind::Int | Kind::BigInt | Kind::Timestamp | Kind::Fixed(_), ValueRef::Integer(n)) => Value::Int(n),
        (Kind::Float, ValueRef::Real(x)) => Value::Float(if x == 0.0 { 0.0 } else { x }),
        // An expression without a column's affinity keeps a whole number as an integer.
        (Kind::Float, ValueRef::Integer(n)) => Value::Float(n as f64),
        (Kind::Bool, ValueRef::Integer(n @ (0 | 1))) => Value::Bool(n == 1),
        (Kind::Blob, ValueRef::Blob(bytes)) => Value::Blob(bytes.to_vec()),
        _ => return None,
    })
}

#[cold]
fn unreadable(row: &SqliteRow<'_>, index: usize, kind: Kind, raw: ValueRef<'_>) -> Error {
    let name = row.as_ref().column_name(index).unwrap_or("?");
    let found = match raw {
        ValueRef::Integer(n) => format!("the integer {n}"),
        ValueRef::Text(bytes) if std::str::from_utf8(bytes).is_err() => "text that is not UTF-8".to_owned(),
        other => format!("a value of type {}", other.data_type()),
    };
    Error::new(
        ErrorKind::Storage,
        format!("the column `{name}` should hold a value of kind {kind:?}, it holds {found}"),
    )
}
