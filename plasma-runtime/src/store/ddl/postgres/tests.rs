use super::super::tests::{ALL, PARENT};
use super::*;
use crate::error::ErrorKind;
use crate::query::ir::Aggregate;
use crate::store::postgres::PostgresConnection;
use crate::store::postgres::tests::on_postgres;

const A: &str = "00000000-0000-4000-8000-00000000000a";
const B: &str = "00000000-0000-4000-8000-00000000000b";
const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

async fn make(db: &mut PostgresConnection) {
    db.batch(&functions("public")).await.unwrap();
    // Again changes nothing.
    db.batch(&functions("public")).await.unwrap();
    for _ in 0..2 {
        for table in [&ALL, &PARENT] {
            let sql = create_table(table);
            db.batch(&sql).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
        }
        for table in [&ALL, &PARENT] {
            for key in foreign_keys(table) {
                db.batch(&key).await.unwrap_or_else(|e| panic!("{e}: {key}"));
            }
        }
    }
}

#[test]
fn defaults_serve_programs_that_write_raw_sql() {
    on_postgres(|pool, _| async move {
        let mut db = pool.get().await.unwrap();
        make(&mut db).await;
        db.batch(&format!("INSERT INTO \"select\" (id) VALUES ('{A}')")).await.unwrap();
        let columns: Vec<_> = ALL.columns.iter().map(|c| quote(c.name)).collect();
        let kinds: Vec<_> = ALL.columns.iter().map(|c| c.kind).collect();
        let sql = format!("SELECT {} FROM \"select\"", columns.join(", "));
        let row = db.query(&sql, &[], &kinds).await.unwrap().remove(0);
        for (column, value) in ALL.columns.iter().zip(&row).skip(1) {
            let default = match column.default {
                Some(ColumnDefault::Value(default)) => default(),
                _ => Value::Null,
            };
            assert_eq!(*value, default, "{}", column.name);
        }
        for (kind, least, most) in [
            (Kind::Timestamp, Value::Int(1_700_000_000_000_000), Value::Int(i64::MAX)),
            (Kind::Date, Value::from("2024-01-01"), Value::from("9999-12-31")),
        ] {
            let now = db.query(&format!("SELECT {}", now(kind)), &[], &[kind]).await.unwrap().remove(0).remove(0);
            let order = [&least, &now, &most];
            assert!(order.is_sorted_by(|a, b| crate::value::compare::compare(a, b).is_le()), "{now:?}");
        }
    });
}

/// A file as an SQL literal.
fn file(hash: &str, size: &str, mime: &str) -> String {
    quote_text(&format!("{{\"hash\":\"{hash}\",\"size\":{size},\"mime\":\"{mime}\"}}"))
}

#[test]
fn what_the_codec_cannot_read_cannot_be_stored() {
    on_postgres(|pool, _| async move {
        let mut db = pool.get().await.unwrap();
        make(&mut db).await;
        let mut good: Vec<(&str, String)> = vec![("id", format!("'{A}'"))];
        for (name, value) in [
            ("text", "'t'"),
            ("int", "1"),
            ("bigint", "9223372036854775807"),
            ("float", "1"),
            ("bool", "false"),
            ("blob", "''"),
            ("json", "'[1]'"),
            ("time", "-5"),
            ("date", "'9999-12-31'"),
            ("fixed", "-9223372036854775808"),
            ("file", &file(HASH, "3", "text/plain")),
        ] {
            good.push((name, value.to_owned()));
        }
        let sql = |bad: &str, value: &str| {
            let (names, values): (Vec<_>, Vec<_>) =
                good.iter().map(|(name, usual)| (quote(name), if *name == bad { value } else { usual })).unzip();
            format!("INSERT INTO \"select\" ({}) VALUES ({})", names.join(", "), values.join(", "))
        };
        for (name, value) in [
            ("id", "NULL"),
            ("id", "'x'"),
            ("id", "'00000000-0000-4000-8000-00000000000A'"),
            ("id", "'00000000-0000-4000-8000-0000000000_a'"),
            ("id", "'00000000-0000-4000-8000-0000000000é'"),
            ("float", "'Infinity'"),
            ("float", "'-Infinity'"),
            ("float", "'NaN'"),
            ("json", "'{'"),
            ("json", "''"),
            ("json", "'NaN'"),
            ("date", "''"),
            ("date", "'now'"),
            ("date", "'0000-12-31'"),
            ("date", "'0000-02-29'"),
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
            ("date", "E'2024-01-01\\n'"),
            ("file", "'{'"),
            ("file", "''"),
            ("file", "'null'"),
            ("file", "'{}'"),
            ("file", &file("abc", "3", "text/plain")),
            ("file", &file(&HASH.to_uppercase(), "3", "text/plain")),
            ("file", &file(HASH, "-1", "text/plain")),
            ("file", &file(HASH, "03", "text/plain")),
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
            ("file", &file(HASH, "3", "text/plain").replace(',', ", ")),
            ("file", &file(HASH, "3", "text/plain").replace('}', ",\"name\":\"a\"}")),
            ("file", &file(HASH, "3", "text/plain").replace("\"mime\"", "\"size\":3,\"mime\"")),
        ] {
            let error = db.batch(&sql(name, value)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{name} = {value}: {error:?}");
            assert_eq!(error.data().unwrap()["columns"], serde_json::json!([name]), "{name} = {value}");
        }
        // What the types refuse by themselves.
        for (name, value) in [
            ("int", "2147483648"),
            ("bigint", "9223372036854775808"),
            ("float", "1e999"),
            ("bool", "2"),
            ("text", "E'a\\x00b'"),
            ("time", "'yesterday'"),
            ("fixed", "'12.34'"),
        ] {
            assert!(db.batch(&sql(name, value)).await.is_err(), "{name} = {value}");
        }
        let most = file(HASH, "9007199254740991", &format!("text/{}", "x".repeat(250)));
        for (index, (name, value)) in [
            ("", ""),
            ("date", "'0001-01-01'"),
            ("date", "'2000-02-29'"),
            ("date", "'2024-02-29'"),
            ("file", &most),
            ("file", "NULL"),
        ]
        .into_iter()
        .enumerate()
        {
            let sql = sql(name, value)
                .replace(A, &format!("00000000-0000-4000-8000-00000000010{index}"))
                .replace("'t'", &format!("'t{index}'"));
            db.batch(&sql).await.unwrap_or_else(|error| panic!("{name} = {value}: {error}"));
        }
    });
}

async fn insert_child(db: &mut PostgresConnection, column: &str, parent: &str) -> Result<u64> {
    let sql = format!("INSERT INTO \"select\" (id, text, {}) VALUES (?, '', ?)", quote(column));
    db.execute(&sql, &[Value::from(B), Value::from(parent)]).await
}

#[test]
fn the_server_acts_on_deletes() {
    on_postgres(|pool, _| async move {
        let mut db = pool.get().await.unwrap();
        make(&mut db).await;
        for (column, deleted, left) in
            [("cascade", true, 0), ("set null", true, 1), ("restrict", false, 1), ("no action", false, 1)]
        {
            assert_eq!(insert_child(&mut db, column, A).await.unwrap_err().kind(), ErrorKind::Conflict);
            db.batch(&format!("INSERT INTO {} VALUES ('{A}')", quote(PARENT.name))).await.unwrap();
            insert_child(&mut db, column, A).await.unwrap();
            let result = db.batch(&format!("DELETE FROM {}", quote(PARENT.name))).await;
            assert_eq!(result.is_ok(), deleted, "{column}: {result:?}");
            let sql = format!("SELECT {} FROM \"select\"", quote(column));
            let rows = db.query(&sql, &[], &[Kind::Id]).await.unwrap();
            assert_eq!(rows.len(), left, "{column}");
            if column == "set null" {
                assert_eq!(rows[0][0], Value::Null);
            }
            db.batch(&format!("DELETE FROM \"select\"; DELETE FROM {}", quote(PARENT.name))).await.unwrap();
        }
    });
}

#[test]
fn tables_and_indexes_are_found_brought_up_to_date_and_dropped() {
    on_postgres(|pool, _| async move {
        let mut db = pool.get().await.unwrap();
        make(&mut db).await;
        assert!(table_exists(&mut db, ALL.name).await.unwrap());
        let names = column_names(&mut db, ALL.name).await.unwrap();
        assert_eq!(names, ALL.columns.iter().map(|c| c.name).collect::<Vec<_>>());
        let kinds = [Kind::Text, Kind::Text, Kind::Bool];
        let found = db.query(INDEXES, &[], &kinds).await.unwrap();
        assert_eq!(found.len(), ALL.named_indexes().len());
        assert!(index_changes(&[&ALL, &PARENT], &found, false).is_empty());
        let first = &ALL.named_indexes()[0];
        // Gone, not valid, and not wanted.
        for (change, expected) in [
            (format!("DROP INDEX {}", quote(&first.name)), 1),
            (
                format!(
                    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = {}::regclass",
                    quote_text(&quote(&first.name))
                ),
                2,
            ),
            ("CREATE INDEX \"_plasma_idx:old\" ON \"select\" (int)".to_owned(), 1),
        ] {
            db.batch(&change).await.unwrap();
            let found = db.query(INDEXES, &[], &kinds).await.unwrap();
            let changes = index_changes(&[&ALL, &PARENT], &found, true);
            assert_eq!(changes.len(), expected, "{change}: {changes:?}");
            for change in changes {
                assert!(change.contains("CONCURRENTLY"));
                db.batch(&change).await.unwrap_or_else(|error| panic!("{change}: {error}"));
            }
            let found = db.query(INDEXES, &[], &kinds).await.unwrap();
            assert!(index_changes(&[&ALL, &PARENT], &found, true).is_empty());
        }
        db.batch(&drop_table(ALL.name)).await.unwrap();
        assert!(!table_exists(&mut db, ALL.name).await.unwrap());
        assert!(column_names(&mut db, ALL.name).await.unwrap().is_empty());
    });
}

/// Numbers of Knuth's MMIX generator.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0.rotate_right(29)
    }

    /// Any finite float: all exponents are as likely.
    fn float(&mut self) -> f64 {
        let edges = [0.0, 1.0, -1.0, 5e-324, -5e-324, f64::MAX, f64::MIN_POSITIVE, 0.1, 1e-150, 1e150];
        let number = self.next();
        if number.is_multiple_of(8) {
            return edges[(number / 8 % 10) as usize];
        }
        let x = f64::from_bits(self.next());
        if x.is_finite() && x != 0.0 { x } else { 0.5 }
    }

    /// A few bits, or many.
    fn integer(&mut self) -> i64 {
        let shift = self.next() % 64;
        self.next() as i64 >> shift
    }
}

#[test]
fn calculations_are_the_evaluator_s_bit_by_bit() {
    use crate::query::ir::ArithmeticOp::{Add, Div, Mul, Rem, Sub};
    use crate::query::lower::Dialect;
    use crate::query::numeric::{self, Sum};

    fn bits(answer: Result<Value>) -> Result<(u64, Value), ErrorKind> {
        answer.map_err(|error| error.kind()).map(|value| match value {
            Value::Float(x) => (x.to_bits(), Value::Null),
            other => (0, other),
        })
    }
    on_postgres(|pool, _| async move {
        let mut db = pool.get().await.unwrap();
        make(&mut db).await;
        let mut numbers = Numbers(7);
        let mut overflows = 0;
        for round in 0..600 {
            for (kind, ops) in [
                (Kind::Float, &[Add, Sub, Mul, Div][..]),
                (Kind::BigInt, &[Add, Sub, Mul, Div, Rem]),
                (Kind::Int, &[Add, Sub, Mul, Div, Rem]),
            ] {
                let op = ops[round % ops.len()];
                let mut one = || match kind {
                    Kind::Float => Value::Float(numbers.float()),
                    Kind::Int => Value::Int(numbers.integer() >> 32),
                    _ => Value::Int(numbers.integer()),
                };
                let (left, right) = (one(), one());
                let (sql, _) = Dialect::Postgres.arithmetic_text(op, kind);
                let found = db.query(&format!("SELECT {sql}"), &[left.clone(), right.clone()], &[kind]).await;
                let found = bits(found.map(|mut rows| rows.remove(0).remove(0)));
                let expected = bits(numeric::arithmetic(op, kind, &left, &right));
                overflows += usize::from(expected.is_err());
                assert_eq!(found, expected, "{left:?} {op:?} {right:?}");
            }
            // Sums and means, of floats that cancel each other out and of integers.
            let count = numbers.next() % 5 + 1;
            let floats: Vec<Value> = (0..count).map(|_| Value::Float(numbers.float() / 8.0)).collect();
            let integers: Vec<Value> = (0..count).map(|_| Value::Int(numbers.integer())).collect();
            for (kind, ty, values) in [(Kind::Float, "float8", floats), (Kind::BigInt, "int8", integers)] {
                let rows = vec![format!("(CAST(? AS {ty}))"); values.len()].join(", ");
                let mut sum = Sum::default();
                values.iter().for_each(|value| sum.add(value).unwrap());
                for (function, kind, expected) in
                    [(Aggregate::Sum, kind, sum.sum()), (Aggregate::Avg, Kind::Float, sum.mean())]
                {
                    let of = if ty == "float8" { Kind::Float } else { Kind::BigInt };
                    let call = Dialect::Postgres.aggregate_text(function, "x", of);
                    let sql = format!("SELECT {call} FROM (VALUES {rows}) AS t (x)");
                    let found = db.query(&sql, &values, &[kind]).await.map(|mut rows| rows.remove(0).remove(0));
                    assert_eq!(bits(found), bits(expected), "{function:?} of {values:?}");
                }
            }
            // Dates, also outside the years there are.
            let time = [numbers.integer(), numbers.integer() % 300_000_000_000_000_000][round % 2];
            let minutes = numbers.integer() >> 30;
            let (time, minutes) = (Value::Int(time), Value::Int(minutes));
            let found = db.query("SELECT plasma_date(?, ?)", &[time.clone(), minutes.clone()], &[Kind::Date]).await;
            let found = bits(found.map(|mut rows| rows.remove(0).remove(0)));
            assert_eq!(found, bits(numeric::date_of(&time, &minutes)), "{time:?} {minutes:?}");
        }
        assert!(overflows > 50, "{overflows}");
        // The server's own cast of a float to a number rounds; were it used, the sum would show.
        let third = [Value::Float(1.0 / 3.0)];
        let sum = format!("SELECT {} FROM (SELECT CAST(? AS float8)) AS t (x)", {
            Dialect::Postgres.aggregate_text(Aggregate::Sum, "x", Kind::Float)
        });
        assert_eq!(db.query(&sum, &third, &[Kind::Float]).await.unwrap(), std::slice::from_ref(&third));
        let rounds = sum.replace("plasma_exact(", "\"numeric\"(");
        assert_ne!(db.query(&rounds, &third, &[Kind::Float]).await.unwrap(), [third]);
        for (micros, date) in
            [(-62_135_596_800_000_000, "0001-01-01"), (253_402_300_799_999_999, "9999-12-31"), (-1, "1969-12-31")]
        {
            let found = db.query("SELECT plasma_date(?, 0)", &[Value::Int(micros)], &[Kind::Date]).await.unwrap();
            assert_eq!(found, [[Value::from(date)]]);
        }
    });
}

#[test]
fn an_index_serves_the_library_s_own_order() {
    on_postgres(|pool, _| async move {
        let mut db = pool.get().await.unwrap();
        make(&mut db).await;
        db.batch("SET enable_seqscan = off; SET enable_sort = off").await.unwrap();
        for sql in [
            "SELECT id FROM \"select\" WHERE \"cascade\" = ? ORDER BY \"cascade\" NULLS FIRST LIMIT 1",
            "SELECT id FROM \"select\" WHERE id = ANY (ARRAY(SELECT json_array_elements_text(CAST(? AS json)))) ORDER BY id LIMIT 1",
            "SELECT id FROM \"select\" WHERE \"cascade\" <> ? ORDER BY \"cascade\" DESC NULLS LAST LIMIT 1",
        ] {
            let plan = db.query(&format!("EXPLAIN {sql}"), &[Value::from("[]")], &[Kind::Text]).await.unwrap();
            let plan: Vec<&str> = plan.iter().filter_map(|row| row[0].as_text()).collect();
            let plan = plan.join("\n");
            assert!(plan.contains("Index") && !plan.contains("Sort"), "{sql}\n{plan}");
        }
    });
}
