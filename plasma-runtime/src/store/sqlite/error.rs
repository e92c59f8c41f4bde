//! SQLite's errors as the library's.
//!
//! A violated constraint is [`Conflict`](ErrorKind::Conflict) with
//! `data = {"constraint": .., "table": .., "columns": [..]}`; a value or statement beyond SQLite's limits is
//! [`TooLarge`](ErrorKind::TooLarge); a calculation that leaves its range is [`Overflow`](ErrorKind::Overflow);
//! everything else is [`Storage`](ErrorKind::Storage). The rusqlite error stays the
//! source, and the questions below look at it.

use rusqlite::ffi;
use serde_json::json;

use crate::error::{Error, ErrorKind};

/// A rusqlite error as the library's.
#[cold]
pub fn from_rusqlite(error: rusqlite::Error) -> Error {
    let (code, message) = match &error {
        rusqlite::Error::SqliteFailure(failure, message) => {
            (failure.extended_code, message.clone().unwrap_or_else(|| failure.to_string()))
        }
        rusqlite::Error::SqlInputError { error: failure, msg, sql, offset } => {
            (failure.extended_code, format!("{msg} at byte {offset} of: {sql}"))
        }
        other => (0, other.to_string()),
    };
    let refused = if code & 0xff == ffi::SQLITE_CONSTRAINT { Some(constraint(code, &message)) } else { None };
    match refused {
        Some(Constraint { kind, table, columns, text }) => Error::conflict(text)
            .with_data(json!({ "constraint": kind, "table": table, "columns": columns }))
            .with_source(error),
        None if is_too_large(code, &message) => Error::new(ErrorKind::TooLarge, message).with_source(error),
        None => match (super::functions::overflow(&message), super::cells::error(&message)) {
            (Some(overflow), _) => Error::new(ErrorKind::Overflow, overflow.to_owned()).with_source(error),
            (None, Some((kind, text))) => Error::new(kind, text.to_owned()).with_source(error),
            (None, None) => Error::new(ErrorKind::Storage, message).with_source(error),
        },
    }
}

/// Whether the statement exceeds one of SQLite's limits (<https://www.sqlite.org/limits.html>): trying again never helps,
/// so it must not count as a fault of the machine. Only a value that is too big has a code of its own.
fn is_too_large(code: i32, message: &str) -> bool {
    let limits =
        ["pattern too complex", "too many SQL variables", "Expression tree is too large", "parser stack overflow"];
    code & 0xff == ffi::SQLITE_TOOBIG || limits.iter().any(|limit| message.contains(limit))
}

/// SQLite's extended result code, when the error came from SQLite
/// (<https://www.sqlite.org/rescode.html>).
pub fn sqlite_code(error: &Error) -> Option<i32> {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        match cause.downcast_ref::<rusqlite::Error>() {
            Some(
                rusqlite::Error::SqliteFailure(failure, _) | rusqlite::Error::SqlInputError { error: failure, .. },
            ) => {
                return Some(failure.extended_code);
            }
            _ => source = cause.source(),
        }
    }
    None
}

/// Whether the statement itself is to blame, or what was asked of its answer: it would fail again, and leaves the
/// transaction as it was (`SQLITE_ERROR`, `SQLITE_TOOBIG`, `SQLITE_MISMATCH`, `SQLITE_RANGE`).
pub fn is_statement(error: &Error) -> bool {
    error.kind() == ErrorKind::Storage
        && sqlite_code(error).is_none_or(|code| {
            let code = code & 0xff;
            matches!(code, ffi::SQLITE_ERROR | ffi::SQLITE_TOOBIG | ffi::SQLITE_MISMATCH | ffi::SQLITE_RANGE)
        })
}

/// Whether another connection holds the lock (`SQLITE_BUSY`, `SQLITE_LOCKED`): trying again helps.
pub fn is_busy(error: &Error) -> bool {
    sqlite_code(error).is_some_and(|code| matches!(code & 0xff, ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED))
}

/// Whether the statement was ended by a budget or an interrupt.
pub fn is_interrupted(error: &Error) -> bool {
    sqlite_code(error).is_some_and(|code| code & 0xff == ffi::SQLITE_INTERRUPT)
}

/// What SQLite says about a violated constraint.
struct Constraint<'m> {
    kind: &'static str,
    table: Option<&'m str>,
    columns: Vec<&'m str>,
    text: String,
}

/// Reads the message. SQLite writes `UNIQUE constraint failed: table.column, table.column`,
/// `NOT NULL constraint failed: table.column`, `CHECK constraint failed: name` (our checks are named after their
/// column), `FOREIGN KEY constraint failed`, and for strict tables
/// `cannot store TEXT value in INTEGER column table.column`. A trigger's own words stand as they are.
fn constraint(code: i32, message: &str) -> Constraint<'_> {
    let after = |prefix: &str| message.split_once(prefix).map(|(_, rest)| rest);
    match code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            let (table, columns) = names(after("constraint failed: ").unwrap_or_default());
            let text = match (table, columns.as_slice()) {
                (Some(table), [column]) => format!("`{table}` holds a row with this `{column}` already"),
                (Some(table), [_, ..]) => {
                    format!("`{table}` holds a row with this combination of `{}` already", columns.join("`, `"))
                }
                _ => message.to_owned(),
            };
            Constraint { kind: "unique", table, columns, text }
        }
        ffi::SQLITE_CONSTRAINT_NOTNULL => {
            let (table, columns) = names(after("constraint failed: ").unwrap_or_default());
            let text = match (table, columns.as_slice()) {
                (Some(table), [column]) => format!("`{table}.{column}` must have a value"),
                _ => message.to_owned(),
            };
            Constraint { kind: "not-null", table, columns, text }
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Constraint {
            kind: "foreign-key",
            table: None,
            columns: Vec::new(),
            text: "a referenced row does not exist, or the row is still referenced".to_owned(),
        },
        ffi::SQLITE_CONSTRAINT_CHECK => {
            let name = after("constraint failed: ").unwrap_or_default();
            Constraint {
                kind: "check",
                table: None,
                columns: vec![name],
                text: format!("`{name}` does not hold a value of its type"),
            }
        }
        ffi::SQLITE_CONSTRAINT_DATATYPE => {
            let (table, columns) = names(after(" column ").unwrap_or_default());
            Constraint { kind: "check", table, columns, text: message.to_owned() }
        }
        _ => Constraint { kind: "trigger", table: None, columns: Vec::new(), text: message.to_owned() },
    }
}

/// `table.column, table.column` taken apart. All columns are of one table. A name may hold a dot or a comma itself:
/// the table is what stands before the first dot, and only a comma followed by that same table separates.
fn names(list: &str) -> (Option<&str>, Vec<&str>) {
    let Some((table, _)) = list.split_once('.') else {
        return (None, Vec::new());
    };
    let prefix = format!("{table}.");
    let separator = format!(", {prefix}");
    let columns = list.strip_prefix(&prefix).map(|rest| rest.split(&*separator).collect()).unwrap_or_default();
    (Some(table), columns)
}
