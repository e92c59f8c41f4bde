//! The checks of the store's columns, done by the engine.
//!
//! The tables keep their `CHECK` constraints: they are for other programs that write to the file. The engine's own
//! connection switches them off (SQLite takes several microseconds for the checks of a row, most of them for the shape of
//! ids) and looks at every row itself before it writes it. Storage classes and `NOT NULL` stay with SQLite.

#[cfg(feature = "sqlite")]
use rusqlite::types::ValueRef;
use serde::de::IgnoredAny;
use serde_json::json;

use super::SqlConnection;
use crate::error::{Error, Result};
#[cfg(feature = "sqlite")]
use crate::schema::ColumnDef;
use crate::schema::TableDef;
use crate::value::{Date, Envelope, FileRef, Kind, Value};

/// Leaves the checks of this connection's writes to [`check`], for good.
///
/// # Errors
/// [`Storage`](crate::ErrorKind::Storage).
pub(crate) fn take_over(store: &mut dyn SqlConnection) -> Result<()> {
    store.batch("PRAGMA ignore_check_constraints = ON")
}

/// Refuses a row that a `CHECK` of its table would refuse, in the words of the store.
///
/// # Errors
/// [`Conflict`](crate::ErrorKind::Conflict) with `constraint` = `check`.
pub(crate) fn check(table: &TableDef, row: &[Value]) -> Result<()> {
    match table.columns.iter().zip(row).find(|(column, value)| !holds(column.kind, value)) {
        None => Ok(()),
        Some((column, _)) => Err(Error::conflict(format!("`{}` does not hold a value of its type", column.name))
            .with_data(json!({ "constraint": "check", "table": null, "columns": [column.name] }))),
    }
}

/// Whether a column of this kind may hold the value, as far as its `CHECK` says. A value of another variant than the
/// kind's, where SQLite would make something of it, is refused.
pub(crate) fn holds(kind: Kind, value: &Value) -> bool {
    match (kind, value) {
        (_, Value::Null) => true,
        (Kind::Id, Value::Text(id)) => is_id(id.as_bytes()),
        (Kind::Text, Value::Text(text)) => !text.as_bytes().contains(&0),
        (Kind::Int, Value::Int(n)) => i32::try_from(*n).is_ok(),
        (Kind::Float, Value::Float(x)) => x.is_finite(),
        (Kind::Float, Value::Int(_)) | (Kind::Bool, Value::Bool(_) | Value::Int(0 | 1)) => true,
        (Kind::Json, Value::Json(json)) => is_json(json),
        (Kind::Date, Value::Text(date)) => date.parse::<Date>().is_ok(),
        (Kind::File, Value::Json(file)) => FileRef::from_canonical_json(file).is_ok(),
        (Kind::Crdt(crdt), Value::Json(state)) => crdt.is_canonical(state),
        (Kind::Sealed, Value::Json(envelope)) => Envelope::from_json(envelope).is_ok(),
        (Kind::Id | Kind::Text | Kind::Int | Kind::Float | Kind::Bool | Kind::Json | Kind::Date, _) => false,
        (Kind::File | Kind::Crdt(_) | Kind::Sealed, _) => false,
        // Columns without a `CHECK`.
        (Kind::BigInt | Kind::Timestamp | Kind::Fixed(_) | Kind::Blob, _) => true,
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

fn is_id(text: &[u8]) -> bool {
    text.len() == 36 && text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

/// Whether the store would have taken what a file of somebody else's holds in this column.
#[cfg(feature = "sqlite")]
pub(crate) fn is_stored(column: &ColumnDef, is_id_of_row: bool, value: ValueRef<'_>) -> bool {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    match (column.kind, value) {
        (_, ValueRef::Null) => column.nullable && !is_id_of_row,
        (Kind::Id, ValueRef::Text(id)) => is_id(id),
        (Kind::Text, ValueRef::Text(bytes)) => !bytes.contains(&0) && text(bytes).is_some(),
        (Kind::Int, ValueRef::Integer(n)) => i32::try_from(n).is_ok(),
        (Kind::BigInt | Kind::Timestamp | Kind::Fixed(_), ValueRef::Integer(_)) => true,
        (Kind::Float, ValueRef::Real(x)) => x.is_finite(),
        (Kind::Bool, ValueRef::Integer(n)) => matches!(n, 0 | 1),
        (Kind::Blob, ValueRef::Blob(_)) => true,
        (Kind::Json, ValueRef::Text(json)) => text(json).is_some_and(is_json),
        (Kind::File, ValueRef::Text(file)) => text(file).is_some_and(|file| FileRef::from_canonical_json(file).is_ok()),
        (Kind::Crdt(crdt), ValueRef::Text(state)) => text(state).is_some_and(|state| crdt.is_canonical(state)),
        (Kind::Sealed, ValueRef::Text(envelope)) => {
            text(envelope).is_some_and(|text| Envelope::from_json(text).is_ok())
        }
        (Kind::Date, ValueRef::Text(date)) => text(date).is_some_and(|date| date.parse::<Date>().is_ok()),
        _ => false,
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;
    use crate::store::ddl::{Side, create_table};
    use crate::store::sqlite::SqliteConnection;

    const KINDS: [Kind; 12] = [
        Kind::Id,
        Kind::Text,
        Kind::Int,
        Kind::BigInt,
        Kind::Float,
        Kind::Bool,
        Kind::Blob,
        Kind::Json,
        Kind::Date,
        Kind::Fixed(2),
        Kind::File,
        Kind::Timestamp,
    ];

    fn values() -> Vec<Value> {
        let texts = [
            "",
            "a",
            "a\0b",
            "0190a1b2-0000-7000-8000-00000000000a",
            "0190a1b2-0000-7000-8000-00000000000A",
            "0190a1b2-0000-7000-8000-00000000000",
            "0190a1b20000-7000-8000-00000000000a-",
            "\u{e9}190a1b2-0000-7000-8000-00000000000",
            "2024-02-29",
            "2023-02-29",
            "0000-01-01",
            "9999-12-31",
            "2024-2-9",
        ];
        let hash = "0".repeat(64);
        let jsons = [
            "null".to_owned(),
            "{\"a\":[1,2.5e3,\"x\\ud800\",true]}".to_owned(),
            "{\"a\":1,}".to_owned(),
            "{a:1}".to_owned(),
            "[1] x".to_owned(),
            "'a'".to_owned(),
            "+1".to_owned(),
            "01".to_owned(),
            "NaN".to_owned(),
            String::new(),
            "[".repeat(200) + &"]".repeat(200),
            format!("{{\"hash\":\"{hash}\",\"size\":3,\"mime\":\"text/plain\"}}"),
            format!("{{\"hash\":\"{hash}\",\"size\":-3,\"mime\":\"text/plain\"}}"),
            format!("{{\"size\":3,\"hash\":\"{hash}\",\"mime\":\"text/plain\"}}"),
        ];
        let ints = [0, 1, 2, -1, i64::from(i32::MAX), i64::from(i32::MAX) + 1, i64::from(i32::MIN) - 1, i64::MAX];
        let mut all = vec![Value::Null, Value::Bool(true), Value::Bool(false), Value::Float(-1.5e300)];
        all.extend(texts.into_iter().map(Value::from));
        all.extend(jsons.into_iter().map(Value::Json));
        all.extend(ints.into_iter().map(Value::Int));
        all
    }

    /// The variant a column of the kind holds: of others the engine is stricter than SQLite, which converts.
    fn is_of(kind: Kind, value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Bool(_) => kind == Kind::Bool,
            Value::Int(_) => matches!(kind, Kind::Int | Kind::BigInt | Kind::Timestamp | Kind::Fixed(_)),
            Value::Float(_) => kind == Kind::Float,
            Value::Text(_) => matches!(kind, Kind::Id | Kind::Text | Kind::Date),
            Value::Json(_) => matches!(kind, Kind::Json | Kind::File),
            Value::Blob(_) => kind == Kind::Blob,
            Value::Rows(_) => false,
        }
    }

    #[test]
    fn what_sqlites_checks_refuse_is_refused_here_and_nothing_else() {
        for kind in KINDS {
            let columns: &'static [ColumnDef] = Box::leak(Box::new([
                ColumnDef::new("id", Kind::Id),
                ColumnDef { nullable: true, ..ColumnDef::new("value", kind) },
            ]));
            let table: &'static TableDef = Box::leak(Box::new(TableDef::new("things", columns)));
            let mut db = SqliteConnection::in_memory().unwrap();
            db.batch(&create_table(table, Side::Client)).unwrap();
            for value in values().into_iter().filter(|value| is_of(kind, value)) {
                let row = [Value::from("0190a1b2-0000-7000-8000-00000000000a"), value.clone()];
                let sqlite = db.execute("INSERT OR REPLACE INTO things VALUES (?, ?)", &row);
                let ours = check(table, &row);
                assert_eq!(ours.is_ok(), sqlite.is_ok(), "{kind:?} {value:?}: {ours:?} {sqlite:?}");
                if let (Err(ours), Err(sqlite)) = (ours, sqlite) {
                    assert_eq!(
                        (ours.kind(), ours.message(), ours.data()),
                        (sqlite.kind(), sqlite.message(), sqlite.data())
                    );
                }
            }
        }
    }
}
