use std::sync::Mutex;

use super::*;
use crate::store::sqlite::error::{is_busy, is_interrupted, sqlite_code};

fn data(error: &Error) -> serde_json::Value {
    error.data().cloned().expect("a violated constraint carries data")
}

#[test]
fn values_come_back_as_they_went_in() {
    let mut db = SqliteConnection::in_memory().unwrap();
    db.batch("CREATE TABLE t (a TEXT, b INTEGER, c REAL, d INTEGER, e BLOB, f TEXT) STRICT").unwrap();
    let kinds = [Kind::Text, Kind::BigInt, Kind::Float, Kind::Bool, Kind::Blob, Kind::Json];
    let rows = [
        vec![
            Value::from("\u{1F600} ' \" \\"),
            Value::Int(i64::MIN),
            Value::Float(1.0 / 3.0),
            Value::Bool(true),
            Value::Blob(vec![0, 255]),
            Value::Json("{\"a\":[1]}".into()),
        ],
        vec![
            Value::from(""),
            Value::Int(i64::MAX),
            Value::Float(5e-324),
            Value::Bool(false),
            Value::Blob(vec![]),
            Value::Json("null".into()),
        ],
        vec![Value::Null; 6],
    ];
    for row in &rows {
        assert_eq!(SqlConnection::execute(&mut db, "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", row).unwrap(), 1);
    }
    assert_eq!(SqlConnection::query(&mut db, "SELECT * FROM t", &[], &kinds).unwrap(), rows);
}

#[test]
fn negative_zero_is_stored_as_zero() {
    let mut db = SqliteConnection::in_memory().unwrap();
    let rows = SqlConnection::query(&mut db, "SELECT ?", &[Value::Float(-0.0)], &[Kind::Float]).unwrap();
    let Value::Float(x) = rows[0][0] else { panic!("{rows:?}") };
    assert!(x.is_sign_positive());
}

#[test]
fn a_nan_is_refused_instead_of_becoming_null() {
    let mut db = SqliteConnection::in_memory().unwrap();
    for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = SqlConnection::query(&mut db, "SELECT ?", &[Value::Float(x)], &[Kind::Float]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation);
    }
}

#[test]
fn a_value_of_another_kind_is_named() {
    let mut db = SqliteConnection::in_memory().unwrap();
    for (sql, kind) in [
        ("SELECT 'x' AS c", Kind::Int),
        ("SELECT 2 AS c", Kind::Bool),
        ("SELECT x'00' AS c", Kind::Text),
        ("SELECT CAST(x'ff' AS TEXT) AS c", Kind::Text),
        ("SELECT 1.5 AS c", Kind::BigInt),
    ] {
        let error = SqlConnection::query(&mut db, sql, &[], &[kind]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{sql}");
        assert!(error.message().contains("`c`"), "{error}");
    }
}

#[test]
fn wrong_numbers_of_parameters_and_kinds_are_defects() {
    let mut db = SqliteConnection::in_memory().unwrap();
    let error = SqlConnection::query(&mut db, "SELECT ?, ?", &[Value::Null], &[Kind::Int; 2]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    let error = SqlConnection::query(&mut db, "SELECT 1, 2", &[], &[Kind::Int]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[test]
fn constraints_are_conflicts_that_name_their_columns() {
    let mut db = SqliteConnection::in_memory().unwrap();
    db.batch(
        "CREATE TABLE p (id TEXT PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID;
         CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, slug TEXT UNIQUE, n INTEGER CONSTRAINT n CHECK (n > 0),
             \"odd.na,me\" TEXT UNIQUE, p TEXT REFERENCES p (id), u TEXT, v TEXT, UNIQUE (u, v)) STRICT, WITHOUT ROWID;
         CREATE TRIGGER t_no BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'rows stay'); END;
         INSERT INTO t VALUES ('1', 'a', 1, 'x', NULL, 'u', 'v');",
    )
    .unwrap();
    let cases = [
        ("INSERT INTO t (id) VALUES ('1')", "unique", Some("t"), vec!["id"]),
        ("INSERT INTO t (id, slug) VALUES ('2', 'a')", "unique", Some("t"), vec!["slug"]),
        ("INSERT INTO t (id, \"odd.na,me\") VALUES ('2', 'x')", "unique", Some("t"), vec!["odd.na,me"]),
        ("INSERT INTO t (id, u, v) VALUES ('2', 'u', 'v')", "unique", Some("t"), vec!["u", "v"]),
        ("INSERT INTO t (id) VALUES (NULL)", "not-null", Some("t"), vec!["id"]),
        ("INSERT INTO t (id, n) VALUES ('2', 0)", "check", None, vec!["n"]),
        ("INSERT INTO t (id, n) VALUES ('2', 'x')", "check", Some("t"), vec!["n"]),
        ("INSERT INTO t (id, p) VALUES ('2', 'none')", "foreign-key", None, vec![]),
        ("DELETE FROM t", "trigger", None, vec![]),
    ];
    for (sql, constraint, table, columns) in cases {
        let error = SqlConnection::execute(&mut db, sql, &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{sql}: {error:?}");
        let expected = serde_json::json!({ "constraint": constraint, "table": table, "columns": columns });
        assert_eq!(data(&error), expected, "{sql}: {error}");
        assert!(sqlite_code(&error).is_some());
    }
    let error = SqlConnection::execute(&mut db, "DELETE FROM t", &[]).unwrap_err();
    assert_eq!(error.message(), "rows stay");
}

#[test]
fn other_errors_are_storage_errors() {
    let mut db = SqliteConnection::in_memory().unwrap();
    for sql in ["SELEC", "SELECT \"no_such_column\"", "SELECT * FROM nowhere"] {
        let error = SqlConnection::query(&mut db, sql, &[], &[Kind::Int]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{sql}");
    }
}

#[test]
fn files_are_in_wal_mode_with_the_asked_durability() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let mut db = SqliteConnection::open(
        &path,
        SqliteOptions { synchronous: Synchronous::Full, secure_delete: true, ..SqliteOptions::default() },
    )
    .unwrap();
    let pragma = |db: &mut SqliteConnection, name: &str, kind| {
        SqlConnection::query(db, &format!("PRAGMA {name}"), &[], &[kind]).unwrap()[0][0].clone()
    };
    assert_eq!(pragma(&mut db, "journal_mode", Kind::Text), Value::from("wal"));
    assert_eq!(pragma(&mut db, "synchronous", Kind::Int), Value::Int(2));
    assert_eq!(pragma(&mut db, "foreign_keys", Kind::Bool), Value::Bool(true));
    assert_eq!(pragma(&mut db, "secure_delete", Kind::Bool), Value::Bool(true));
    db.batch("CREATE TABLE t (id TEXT)").unwrap();

    let read_only = SqliteOptions { read_only: true, ..SqliteOptions::default() };
    let mut reader = SqliteConnection::open(&path, read_only).unwrap();
    assert!(SqlConnection::execute(&mut reader, "INSERT INTO t VALUES ('x')", &[]).is_err());
    let no_create = SqliteOptions { create: false, ..SqliteOptions::default() };
    let error = SqliteConnection::open(folder.path().join("b.db"), no_create).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.message().contains("b.db"));
}

#[test]
fn other_connections_are_noticed_and_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let options = SqliteOptions { busy_timeout_ms: 0, ..SqliteOptions::default() };
    let mut first = SqliteConnection::open(&path, options.clone()).unwrap();
    let mut second = SqliteConnection::open(&path, options).unwrap();
    first.batch("CREATE TABLE t (id TEXT)").unwrap();
    let before = second.data_version().unwrap();
    assert_eq!(second.data_version().unwrap(), before);
    first.batch("INSERT INTO t VALUES ('x')").unwrap();
    assert_ne!(second.data_version().unwrap(), before);

    first.batch("BEGIN IMMEDIATE").unwrap();
    assert!(SqlConnection::in_transaction(&first));
    let error = second.batch("BEGIN IMMEDIATE").unwrap_err();
    assert!(is_busy(&error), "{error:?}");
    assert!(!SqlConnection::in_transaction(&second));
    first.batch("COMMIT").unwrap();
}

#[test]
fn a_database_is_copied_whole() {
    let mut from = SqliteConnection::in_memory().unwrap();
    from.batch("CREATE TABLE t (id TEXT); INSERT INTO t VALUES ('x')").unwrap();
    let mut to = SqliteConnection::in_memory().unwrap();
    to.batch("CREATE TABLE old (id TEXT)").unwrap();
    from.backup_to(&mut to).unwrap();
    assert_eq!(SqlConnection::query(&mut to, "SELECT id FROM t", &[], &[Kind::Text]).unwrap().len(), 1);
    assert!(SqlConnection::query(&mut to, "SELECT id FROM old", &[], &[Kind::Text]).is_err());
}

#[test]
fn a_budget_ends_a_runaway_statement_and_can_be_renewed() {
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let mut db = SqliteConnection::in_memory().unwrap();
    db.set_instruction_budget(Some(100_000)).unwrap();
    let error = SqlConnection::query(&mut db, endless, &[], &[Kind::Int]).unwrap_err();
    assert!(is_interrupted(&error), "{error:?}");
    db.set_instruction_budget(Some(10_000_000)).unwrap();
    let some = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10000) SELECT count(*) FROM n";
    assert_eq!(SqlConnection::query(&mut db, some, &[], &[Kind::Int]).unwrap()[0][0], Value::Int(10_000));
    db.set_instruction_budget(None).unwrap();
    assert_eq!(SqlConnection::query(&mut db, some, &[], &[Kind::Int]).unwrap()[0][0], Value::Int(10_000));
}

#[test]
fn rows_can_be_walked_and_left() {
    let mut db = SqliteConnection::in_memory().unwrap();
    let seen = Mutex::new(Vec::new());
    db.for_each("VALUES (1), (2), (3)", &[], &[Kind::Int], &mut |row| {
        seen.lock().unwrap().push(row[0].clone());
        Ok(row[0] != Value::Int(2))
    })
    .unwrap();
    assert_eq!(*seen.lock().unwrap(), [Value::Int(1), Value::Int(2)]);
}
