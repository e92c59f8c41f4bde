//! Postgres' errors as the library's.
//!
//! As on SQLite: a violated constraint is [`Conflict`](ErrorKind::Conflict) with
//! `data = {"constraint": .., "table": .., "columns": [..]}`; what exceeds a limit of the server is
//! [`TooLarge`](ErrorKind::TooLarge); a calculation that leaves its range is [`Overflow`](ErrorKind::Overflow); a pool
//! without a free connection is [`Fault`](ErrorKind::Fault); everything else is [`Storage`](ErrorKind::Storage). The error
//! of tokio-postgres stays the source, and the questions below look at it. They go by the codes of SQLSTATE
//! (<https://www.postgresql.org/docs/current/errcodes-appendix.html>), never by words, which the server may translate.

use std::error::Error as StdError;

use deadpool_postgres::{PoolError, TimeoutType};
use serde_json::json;
use tokio_postgres::error::DbError;

use crate::error::{Error, ErrorKind};

/// A tokio-postgres error as the library's.
#[cold]
pub fn from_postgres(error: tokio_postgres::Error) -> Error {
    // A value this library could not send says so itself.
    if let Some(own) = error.source().and_then(|source| source.downcast_ref::<Error>()) {
        return own.duplicate();
    }
    let Some(db) = error.as_db_error() else {
        let message = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        return Error::new(ErrorKind::Storage, message).with_source(error);
    };
    let code = db.code().code();
    let message = match db.hint() {
        // What the server lacks the operator can give it: the hint names the setting.
        Some(hint) if code.starts_with("53") => format!("{}. {hint}", db.message()),
        _ => db.message().to_owned(),
    };
    if let Some(Refused { kind, table, columns, text }) = constraint(code, db) {
        return Error::conflict(text)
            .with_data(json!({ "constraint": kind, "table": table, "columns": columns }))
            .with_source(error);
    }
    let kind = match code {
        // Numbers and dates out of range, and a division by zero.
        "22003" | "22008" | "22012" | "22015" => ErrorKind::Overflow,
        // Program limits: a statement too deep, a row too wide for its index, too many columns or arguments.
        code if code.starts_with("54") => ErrorKind::TooLarge,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, message).with_source(error)
}

/// An error of the pool as the library's.
#[cold]
pub(super) fn from_pool(error: PoolError) -> Error {
    match error {
        PoolError::Backend(error) => from_postgres(error),
        PoolError::Timeout(TimeoutType::Wait) => {
            Error::new(ErrorKind::Fault, "no connection to the database became free in time").with_source(error)
        }
        // All are not taken: the server, or the way to it, is silent.
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => no_answer(),
        PoolError::Closed => Error::new(ErrorKind::Closed, "the pool of connections to the database is closed"),
        other => Error::new(ErrorKind::Storage, other.to_string()).with_source(other),
    }
}

/// The connection was lost, or given up, before.
#[derive(Debug, thiserror::Error)]
#[error("the connection was given up")]
pub(super) struct Lost;

/// The server took longer to answer than a new connection is waited for.
#[derive(Debug, thiserror::Error)]
#[error("a new connection was not made in time")]
struct Silent;

#[cold]
pub(super) fn no_answer() -> Error {
    Error::new(ErrorKind::Storage, "the database does not answer").with_source(Silent)
}

/// The cause of this type, however deep it lies.
fn cause<E: StdError + 'static>(error: &Error) -> Option<&E> {
    let mut source = StdError::source(error);
    while let Some(cause) = source {
        if let Some(found) = cause.downcast_ref::<E>() {
            return Some(found);
        }
        source = cause.source();
    }
    None
}

/// The code of SQLSTATE, when the error came from the server.
pub fn sql_state(error: &Error) -> Option<&str> {
    cause::<DbError>(error).map(|db| db.code().code())
}

/// Whether the transaction lost against another one (a serialization failure, a deadlock), or against a change of the
/// schema that its prepared statements did not know of: run again from its beginning it may succeed.
pub fn is_retryable(error: &Error) -> bool {
    sql_state(error).is_some_and(|code| matches!(code, "40001" | "40P01")) || is_stale(error)
}

/// Whether a prepared statement is of another time: a table changed, or the server forgot it.
pub(super) fn is_stale(error: &Error) -> bool {
    match sql_state(error) {
        Some("26000") => true,
        // `cached plan must not change result type`; the routine's name is not translated.
        Some("0A000") => cause::<DbError>(error).is_some_and(|db| db.routine() == Some("RevalidateCachedQuery")),
        _ => false,
    }
}

/// Whether the connection is lost or could not be made: another one may do, now or when the server is back.
pub fn is_connection(error: &Error) -> bool {
    if let Some(code) = sql_state(error) {
        // Connection exceptions; shutdown, crash, start; a session that was ended for being idle; no room for another one.
        return code.starts_with("08")
            || matches!(code, "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" | "53300");
    }
    cause::<Lost>(error).is_some()
        || cause::<Silent>(error).is_some()
        || cause::<tokio_postgres::Error>(error).is_some_and(|error| {
            error.is_closed() || error.source().is_some_and(|source| source.is::<std::io::Error>())
        })
}

/// Whether the server, or the way to it, ended the connection without a word: as it does when its process crashes, and as
/// nobody does who ends it in order.
pub fn is_cut(error: &Error) -> bool {
    sql_state(error).is_none() && is_connection(error)
}

/// Whether no connection of the pool became free in time.
pub fn is_exhausted(error: &Error) -> bool {
    matches!(cause::<PoolError>(error), Some(PoolError::Timeout(TimeoutType::Wait)))
}

/// Whether the server has no room for what all its transactions do together: its disk is full, or its table of locks. That
/// says nothing about the one that met it.
pub fn is_full(error: &Error) -> bool {
    match sql_state(error) {
        Some("53100") => true,
        // `out of shared memory`: locks of rows that serializable transactions have read, or of tables.
        Some("53200") => cause::<DbError>(error)
            .and_then(DbError::file)
            .is_some_and(|file| ["predicate.c", "lock.c"].iter().any(|known| file.ends_with(known))),
        _ => false,
    }
}

/// Whether the statement ran into `statement_timeout` or was canceled.
pub fn is_canceled(error: &Error) -> bool {
    sql_state(error) == Some("57014")
}

/// Whether the statement ran into `lock_timeout`, or did not wait for a lock.
pub fn is_locked(error: &Error) -> bool {
    sql_state(error) == Some("55P03")
}

/// Whether the statement itself is to blame, or what was asked of its answer: it would fail again.
pub fn is_statement(error: &Error) -> bool {
    if error.kind() != ErrorKind::Storage || is_stale(error) {
        return false;
    }
    match sql_state(error) {
        // Data, cardinality, transactions (a write while reading), names, syntax and rights, what the server lacks.
        Some(code) => {
            ["0A", "20", "21", "22", "2F", "34", "38", "39", "3F", "42", "44"]
                .iter()
                .any(|class| code.starts_with(class))
                || code == "25006"
        }
        None => !is_connection(error) && cause::<tokio_postgres::Error>(error).is_none(),
    }
}

/// What the server says about a violated constraint, in the words of SQLite's.
struct Refused<'m> {
    kind: &'static str,
    table: Option<&'m str>,
    columns: Vec<String>,
    text: String,
}

fn constraint<'m>(code: &str, db: &'m DbError) -> Option<Refused<'m>> {
    let table = db.table();
    Some(match code {
        // A unique index; an exclusion says nothing of columns.
        "23505" | "23P01" => {
            let columns = db.detail().map(key_columns).unwrap_or_default();
            let text = match (table, columns.as_slice()) {
                (Some(table), [column]) => format!("`{table}` holds a row with this `{column}` already"),
                (Some(table), [_, ..]) => {
                    format!("`{table}` holds a row with this combination of `{}` already", columns.join("`, `"))
                }
                _ => db.message().to_owned(),
            };
            Refused { kind: "unique", table, columns, text }
        }
        "23502" => {
            let columns: Vec<String> = db.column().map(str::to_owned).into_iter().collect();
            let text = match (table, columns.as_slice()) {
                (Some(table), [column]) => format!("`{table}.{column}` must have a value"),
                _ => db.message().to_owned(),
            };
            Refused { kind: "not-null", table, columns, text }
        }
        "23503" | "23001" => Refused {
            kind: "foreign-key",
            table: None,
            columns: Vec::new(),
            text: "a referenced row does not exist, or the row is still referenced".to_owned(),
        },
        // Checks of columns are named after them.
        "23514" | "44000" => {
            let name = db.constraint().unwrap_or_default();
            let text = format!("`{name}` does not hold a value of its type");
            Refused { kind: "check", table: None, columns: vec![name.to_owned()], text }
        }
        // A trigger's own words.
        "P0001" | "23000" | "09000" | "27000" => {
            Refused { kind: "trigger", table: None, columns: Vec::new(), text: db.message().to_owned() }
        }
        _ => return None,
    })
}

/// The columns in `Key (a, "b c")=(1, 2) already exists.`, whatever the language of the words around.
fn key_columns(detail: &str) -> Vec<String> {
    let list = detail.split_once('(').and_then(|(_, rest)| rest.split_once(")=("));
    let Some((list, _)) = list else { return Vec::new() };
    let mut columns = vec![String::new()];
    let mut open = false;
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(column) = columns.last_mut() else { break };
        match c {
            '"' if open && chars.next_if_eq(&'"').is_some() => column.push('"'),
            '"' => open = !open,
            ',' if !open => {
                chars.next_if_eq(&' ');
                columns.push(String::new());
            }
            c => column.push(c),
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_a_key() {
        for (detail, expected) in [
            ("Key (slug)=(a) already exists.", &["slug"][..]),
            ("Schlüssel »(u, v)=(u, v)« existiert bereits.", &["u", "v"]),
            ("Key (\"odd.na,me\", \"a\"\"b\")=(x)=(y, z) already exists.", &["odd.na,me", "a\"b"]),
            ("words", &[]),
        ] {
            assert_eq!(key_columns(detail), expected, "{detail}");
        }
    }
}
