use super::*;

const ID: ColumnDef = ColumnDef::new("id", Kind::Id);
const fn column(name: &'static str, kind: Kind) -> ColumnDef {
    ColumnDef { name, kind, ..ID }
}
const fn nullable(mut column: ColumnDef) -> ColumnDef {
    column.nullable = true;
    column
}
const fn reference(name: &'static str, target: &'static str, action: OnDelete) -> ColumnDef {
    let mut column = nullable(ID.on_delete(action));
    column.name = name;
    column.references = Some(target);
    column
}

pub(super) static PARENT: TableDef = TableDef::new("parent \"quoted\"; drop", &[ID]);
pub(super) static ALL: TableDef = TableDef::new(
    "select",
    &[
        ID,
        column("text", Kind::Text).unique().default_value(|| Value::from("it's")),
        column("int", Kind::Int).default_value(|| Value::Int(-7)),
        column("bigint", Kind::BigInt).default_value(|| Value::Int(i64::MIN)),
        column("float", Kind::Float).default_value(|| Value::Float(1e300)),
        column("bool", Kind::Bool).default_value(|| Value::Bool(true)),
        column("blob", Kind::Blob).default_value(|| Value::Blob(vec![0, 0xab])),
        column("json", Kind::Json).default_value(|| Value::Json("{\"a\":1}".into())),
        column("time", Kind::Timestamp).default_value(|| Value::Int(0)),
        column("date", Kind::Date).default_value(|| Value::from("2024-02-29")),
        column("fixed", Kind::Fixed(2)).default_value(|| Value::Int(-1_234)),
        nullable(column("file", Kind::File)),
        nullable(column("order", Kind::Text)),
        reference("cascade", "parent \"quoted\"; drop", OnDelete::Cascade),
        reference("set null", "parent \"quoted\"; drop", OnDelete::SetNull),
        reference("restrict", "parent \"quoted\"; drop", OnDelete::Restrict),
        reference("no action", "parent \"quoted\"; drop", OnDelete::NoAction).unique(),
        reference("self", "select", OnDelete::Cascade),
    ],
);

#[cfg(feature = "sqlite")]
mod on_sqlite {
    use super::*;
    use crate::error::ErrorKind;
    use crate::store::sqlite::SqliteConnection;

    const A: &str = "00000000-0000-4000-8000-00000000000a";
    const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const B: &str = "00000000-0000-4000-8000-00000000000b";

    fn database(side: Side) -> SqliteConnection {
        let mut db = SqliteConnection::in_memory().unwrap();
        for table in [&PARENT, &ALL] {
            let sql = create_table(table, side);
            db.batch(&sql).unwrap_or_else(|e| panic!("{e}: {sql}"));
            db.batch(&sql).unwrap();
        }
        db
    }

    #[test]
    fn defaults_serve_programs_that_write_raw_sql() {
        let mut db = database(Side::Server);
        db.batch(&format!("INSERT INTO \"select\" (id) VALUES ('{A}')")).unwrap();
        let columns: Vec<_> = ALL.columns.iter().map(|c| quote(c.name)).collect();
        let kinds: Vec<_> = ALL.columns.iter().map(|c| c.kind).collect();
        let sql = format!("SELECT {} FROM \"select\"", columns.join(", "));
        let row = SqlConnection::query(&mut db, &sql, &[], &kinds).unwrap().remove(0);
        for (column, value) in ALL.columns.iter().zip(&row).skip(1) {
            let default = match column.default {
                Some(ColumnDefault::Value(default)) => default(),
                _ => Value::Null,
            };
            assert_eq!(*value, default, "{}", column.name);
        }
    }

    /// A file as an SQL literal.
    fn file(hash: &str, size: &str, mime: &str) -> String {
        quote_text(&format!("{{\"hash\":\"{hash}\",\"size\":{size},\"mime\":\"{mime}\"}}"))
    }

    #[test]
    fn what_the_codec_cannot_read_cannot_be_stored() {
        for side in [Side::Server, Side::Client] {
            let mut db = database(side);
            let mut good = vec![("id", format!("'{A}'"))];
            for (name, value) in [
                ("text", "'t'"),
                ("int", "1"),
                ("bigint", "9223372036854775807"),
                ("float", "1"),
                ("bool", "0"),
                ("blob", "x''"),
                ("json", "'[1]'"),
                ("time", "-5"),
                ("date", "'9999-12-31'"),
                ("fixed", "-9223372036854775808"),
                ("file", &file(HASH, "3", "text/plain")),
            ] {
                good.push((name, value.to_owned()));
            }
            let mut insert = |bad: &str, value: &str| {
                let (names, values): (Vec<_>, Vec<_>) =
                    good.iter().map(|(name, usual)| (quote(name), if *name == bad { value } else { usual })).unzip();
                let sql = format!("INSERT INTO \"select\" ({}) VALUES ({})", names.join(", "), values.join(", "));
                db.batch(&sql)
            };
            for (name, value) in [
                ("id", "NULL"),
                ("id", "'x'"),
                ("id", "'00000000-0000-4000-8000-00000000000A'"),
                ("id", "'00000000-0000-4000-8000-0000000000_a'"),
                ("text", "x'00'"),
                ("text", "'a' || char(0) || 'b'"),
                ("int", "2147483648"),
                ("int", "1.5"),
                ("bigint", "9.3e18"),
                ("float", "9e999"),
                ("float", "-9e999"),
                ("float", "'x'"),
                ("bool", "2"),
                ("blob", "'text'"),
                ("json", "'{'"),
                ("time", "'yesterday'"),
                ("date", "''"),
                ("date", "'now'"),
                ("date", "'0000-12-31'"),
                ("date", "'10000-01-01'"),
                ("date", "'-001-01-01'"),
                ("date", "'2023-02-29'"),
                ("date", "'1900-02-29'"),
                ("date", "'2024-04-31'"),
                ("date", "'2024-13-01'"),
                ("date", "'2024-00-01'"),
                ("date", "'2024-01-00'"),
                ("date", "'2024-1-01'"),
                ("date", "'2024-01-01 00:00'"),
                ("date", "'2024-01-01' || char(0)"),
                ("date", "2460000.5"),
                ("fixed", "12.34"),
                ("fixed", "'12.34'"),
                ("file", "'{'"),
                ("file", "''"),
                ("file", "'null'"),
                ("file", "'{}'"),
                ("file", "'[]'"),
                ("file", "'7'"),
                ("file", &file("abc", "3", "text/plain")),
                ("file", &file(&HASH.to_uppercase(), "3", "text/plain")),
                ("file", &file(HASH, "-1", "text/plain")),
                ("file", &file(HASH, "3.0", "text/plain")),
                ("file", &file(HASH, "\"3\"", "text/plain")),
                ("file", &file(HASH, "9007199254740992", "text/plain")),
                ("file", &file(HASH, "99999999999999999999", "text/plain")),
                ("file", &file(HASH, "null", "text/plain")),
                ("file", &file(HASH, "3", "")),
                ("file", &file(HASH, "3", "text")),
                ("file", &file(HASH, "3", "text/")),
                ("file", &file(HASH, "3", "text/plain/x")),
                ("file", &file(HASH, "3", "Text/plain")),
                ("file", &file(HASH, "3", "text/plain; charset=utf-8")),
                ("file", &file(HASH, "3", &format!("text/{}", "x".repeat(251)))),
                ("file", &file(HASH, "3", "text/plain").replace(",", ", ")),
                ("file", &file(HASH, "3", "text/plain").replace("}", ",\"name\":\"a\"}")),
                ("file", &file(HASH, "3", "text/plain").replace("\"mime\"", "\"size\":3,\"mime\"")),
            ] {
                let error = insert(name, value).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Conflict, "{name} = {value}: {error:?}");
                assert_eq!(error.data().unwrap()["columns"], serde_json::json!([name]), "{name} = {value}");
            }
            insert("", "").unwrap();
        }
    }

    #[test]
    fn the_server_acts_on_deletes_and_the_client_does_not() {
        for side in [Side::Server, Side::Client] {
            for (column, deleted, left) in
                [("cascade", true, 0), ("set null", true, 1), ("restrict", false, 1), ("no action", false, 1)]
            {
                let mut db = database(side);
                db.batch(&format!("INSERT INTO {} VALUES ('{A}')", quote(PARENT.name))).unwrap();
                db.execute_child(column, A).unwrap();
                let result = db.batch(&format!("DELETE FROM {}", quote(PARENT.name)));
                let native = side == Side::Server;
                assert_eq!(result.is_ok(), deleted || !native, "{column}");
                let sql = format!("SELECT {} FROM \"select\"", quote(column));
                let rows = SqlConnection::query(&mut db, &sql, &[], &[Kind::Id]).unwrap();
                assert_eq!(rows.len(), if native { left } else { 1 }, "{column}");
                if native && column == "set null" {
                    assert_eq!(rows[0][0], Value::Null);
                }
            }
        }
    }

    #[test]
    fn a_parent_must_exist_on_the_server_only() {
        assert_eq!(database(Side::Server).execute_child("cascade", B).unwrap_err().kind(), ErrorKind::Conflict);
        database(Side::Client).execute_child("cascade", B).unwrap();
    }

    #[test]
    fn foreign_keys_are_indexed() {
        for side in [Side::Server, Side::Client] {
            let mut db = database(side);
            for (_, column) in ALL.foreign_keys() {
                let sql = format!("EXPLAIN QUERY PLAN SELECT id FROM \"select\" WHERE {} = '{A}'", quote(column.name));
                let plan =
                    SqlConnection::query(&mut db, &sql, &[], &[Kind::Int, Kind::Int, Kind::Int, Kind::Text]).unwrap();
                let text = plan[0][3].as_text().unwrap();
                assert!(text.starts_with("SEARCH"), "{}: {text}", column.name);
            }
        }
    }

    #[test]
    fn tables_are_found_described_and_dropped() {
        let mut db = database(Side::Client);
        assert!(table_exists(&mut db, ALL.name).unwrap());
        let names = column_names(&mut db, ALL.name).unwrap();
        assert_eq!(names, ALL.columns.iter().map(|c| c.name).collect::<Vec<_>>());
        db.batch(&drop_table(ALL.name)).unwrap();
        assert!(!table_exists(&mut db, ALL.name).unwrap());
        assert!(column_names(&mut db, ALL.name).unwrap().is_empty());
    }

    trait Child {
        fn execute_child(&mut self, column: &str, parent: &str) -> Result<u64>;
    }
    impl Child for SqliteConnection {
        fn execute_child(&mut self, column: &str, parent: &str) -> Result<u64> {
            let sql = format!(
                "INSERT INTO \"select\" (id, text, int, bigint, float, bool, blob, json, time, date, fixed, {}) \
                 VALUES (?, '', 0, 0, 0, 0, x'', '1', 0, '2024-01-01', 0, ?)",
                quote(column)
            );
            SqlConnection::execute(self, &sql, &[Value::from(B), Value::from(parent)])
        }
    }
}
