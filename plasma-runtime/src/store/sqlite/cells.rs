//! `plasma_seal` and `plasma_open` as functions of a connection.

use std::sync::Arc;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value as Sqlite, ValueRef};
use rusqlite::{Connection, Error as SqliteError};

use crate::error::{Error, ErrorKind, Result};
use crate::store::cells::{Cells, OPEN, Place, Plain, SEAL, does_not_open};

/// What stands before the message of an error of ours: SQLite passes on nothing but the text.
const MARK: &str = "plasma cells: ";

/// The error of these functions that a message of SQLite tells of.
pub(super) fn error(message: &str) -> Option<(ErrorKind, &str)> {
    let (code, text) = message.strip_prefix(MARK)?.split_once(' ')?;
    let kinds = [ErrorKind::Encryption, ErrorKind::Internal];
    kinds.into_iter().find(|kind| kind.code() == code).map(|kind| (kind, text))
}

/// Makes the functions known. They are for the statements of this connection alone: what a file brings along (a view, a
/// trigger) cannot call them.
pub(super) fn register(connection: &Connection, cells: &Arc<dyn Cells>) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    let sealing = Arc::clone(cells);
    connection.create_scalar_function(SEAL, 4, flags, move |context| {
        let value = match context.get_raw(0) {
            ValueRef::Null => return Ok(Sqlite::Null),
            ValueRef::Integer(n) => Plain::Integer(n),
            ValueRef::Real(x) => Plain::Real(x),
            ValueRef::Text(bytes) => Plain::Text(std::str::from_utf8(bytes).map_err(|e| SqliteError::Utf8Error(0, e))?),
            ValueRef::Blob(bytes) => Plain::Blob(bytes),
        };
        passed_on(place(context).and_then(|place| sealing.seal(place, &value.bytes())).map(Sqlite::Blob))
    })?;
    let opening = Arc::clone(cells);
    let flags = flags | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(OPEN, 4, flags, move |context| {
        let cell = match context.get_raw(0) {
            ValueRef::Null => return Ok(Sqlite::Null),
            ValueRef::Blob(cell) => cell,
            _ => return passed_on(place(context).and_then(|place| Err(does_not_open(place)))),
        };
        passed_on(place(context).and_then(|place| {
            let plain = opening.open(place, cell)?;
            Ok(match Plain::read(&plain).ok_or_else(|| does_not_open(place))? {
                Plain::Integer(n) => Sqlite::Integer(n),
                Plain::Real(x) => Sqlite::Real(x),
                Plain::Text(text) => Sqlite::Text(text.to_owned()),
                Plain::Blob(bytes) => Sqlite::Blob(bytes.to_vec()),
            })
        }))
    })
}

fn place<'c>(context: &'c Context<'_>) -> Result<Place<'c>> {
    let text = |index| {
        let text = context.get_raw(index).as_str();
        text.map_err(|_| Error::internal("the place of an encrypted value is given as three texts"))
    };
    Ok(Place { table: text(1)?, column: text(2)?, row: text(3)? })
}

fn passed_on<T>(result: Result<T>) -> rusqlite::Result<T> {
    result.map_err(|error| {
        SqliteError::UserFunctionError(format!("{MARK}{} {}", error.kind().code(), error.message()).into())
    })
}
