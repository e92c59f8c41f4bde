use super::*;

/// The values of each type, with the type of the column.
fn cases() -> Vec<(&'static str, Kind, Vec<Value>)> {
    let ints = |all: &[i64]| all.iter().map(|n| Value::Int(*n)).collect::<Vec<_>>();
    let long = "äöü€😀\u{10FFFF}\u{1}\\'\"".repeat(50_000);
    assert!(long.len() > 1_000_000);
    vec![
        ("smallint", Kind::Int, ints(&[i16::MIN.into(), -1, 0, i16::MAX.into()])),
        ("integer", Kind::Int, ints(&[i32::MIN.into(), -1, 0, 1, i32::MAX.into()])),
        ("bigint", Kind::BigInt, ints(&[i64::MIN, -(1 << 53) - 1, -1, 0, 1, (1 << 53) + 1, i64::MAX])),
        ("bigint", Kind::Timestamp, ints(&[i64::MIN, -1, 0, 1_700_000_000_123_456, i64::MAX])),
        ("bigint", Kind::Fixed(2), ints(&[i64::MIN, -1, i64::MAX])),
        ("numeric", Kind::BigInt, ints(&[i64::MIN, -10_000, 0, 9_999, 10_000, 100_000_000, i64::MAX])),
        // What a user's own table may have: microseconds become the server's own type.
        ("timestamptz", Kind::Timestamp, ints(&[-1, 0, 1, 1_700_000_000_123_456, 253_402_300_799_999_999])),
        (
            "double precision",
            Kind::Float,
            [
                0.0,
                1.0 / 3.0,
                -1.5,
                5e-324,
                -5e-324,
                f64::MIN_POSITIVE,
                f64::MAX,
                f64::MIN,
                1e300,
                9_007_199_254_740_993.0,
            ]
            .map(Value::Float)
            .to_vec(),
        ),
        ("numeric", Kind::Float, [0.0, 1.0 / 3.0, -1.5, 1e300, 5e-324, 123_456.789].map(Value::Float).to_vec()),
        ("boolean", Kind::Bool, vec![Value::Bool(false), Value::Bool(true)]),
        ("integer", Kind::Bool, vec![Value::Bool(false), Value::Bool(true)]),
        (
            "text",
            Kind::Text,
            ["", " ", "a", "ß", "😀", "e\u{301}", "\u{FEFF}\u{FFFF}", "it's \\ \"?\"", &long].map(Value::from).to_vec(),
        ),
        ("varchar", Kind::Text, vec![Value::from("a😀")]),
        ("uuid", Kind::Id, vec![Value::from("00000000-0000-4000-8000-00000000000a")]),
        ("date", Kind::Date, ["0001-01-01", "1970-01-01", "2024-02-29", "9999-12-31"].map(Value::from).to_vec()),
        (
            "bytea",
            Kind::Blob,
            vec![Value::Blob(vec![]), Value::Blob((0..=255).collect()), Value::Blob(vec![0; 1 << 20])],
        ),
        (
            "text",
            Kind::Json,
            [" {\"b\": 1, \"a\":1.0}\n", "null", "\"\\u00e4\""].map(|j| Value::Json(j.into())).to_vec(),
        ),
        ("json", Kind::Json, vec![Value::Json(" {\"b\": 1, \"a\":1.0} ".into())]),
        ("jsonb", Kind::Json, vec![Value::Json("{\"a\": 1}".into())]),
        ("xid8", Kind::BigInt, ints(&[3, i64::MAX])),
        ("mood", Kind::Text, vec![Value::from("fine")]),
        ("small", Kind::Int, ints(&[7])),
    ]
}

/// Bit by bit: floats too.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        _ => a == b,
    }
}

#[test]
fn values_come_back_as_they_went_in() {
    on_postgres(|pool, _| async move {
        let mut db = pool.get().await.unwrap();
        db.batch("CREATE TYPE mood AS ENUM ('fine'); CREATE DOMAIN small AS integer CHECK (value < 10)").await.unwrap();
        for (ty, kind, values) in cases() {
            db.batch(&format!("CREATE TEMP TABLE t (n serial, v {ty})")).await.unwrap();
            for value in values.iter().chain([&Value::Null]) {
                db.execute(&format!("INSERT INTO t (v) VALUES (?) -- {ty}"), std::slice::from_ref(value))
                    .await
                    .unwrap_or_else(|error| panic!("{ty}: {error}"));
            }
            let found = db.query(&format!("SELECT v FROM t ORDER BY n -- {ty}"), &[], &[kind]).await.unwrap();
            for (value, row) in values.iter().chain([&Value::Null]).zip(&found) {
                assert!(same(value, &row[0]), "{ty}: {value:?} came back as {:?}", row[0]);
                if !value.is_null() && !matches!(ty, "json") {
                    let found = db
                        .query(
                            &format!("SELECT count(*) FROM t WHERE v = ? -- {ty}"),
                            std::slice::from_ref(value),
                            &[Kind::BigInt],
                        )
                        .await;
                    assert_eq!(found.unwrap(), [[Value::Int(1)]], "{ty}: {value:?}");
                }
            }
            assert_eq!(found.len(), values.len() + 1);
            db.batch("DROP TABLE t").await.unwrap();
        }
    });
}

#[test]
fn zero_has_no_sign_and_only_finite_numbers_are_sent() {
    on_postgres(|pool, _| async move {
        let mut db = pool.get().await.unwrap();
        for sql in
            ["SELECT CAST(? AS double precision)", "SELECT CAST('-0' AS double precision) + 0 * CAST(? AS float8)"]
        {
            let Value::Float(x) = one(&mut db, sql, &[Value::Float(-0.0)], Kind::Float).await.unwrap() else {
                panic!()
            };
            assert!(x.is_sign_positive());
        }
        for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error =
                one(&mut db, "SELECT CAST(? AS double precision)", &[Value::Float(x)], Kind::Float).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Validation);
        }
        for raw in ["NaN", "Infinity"] {
            let error = one(&mut db, &format!("SELECT CAST('{raw}' AS float8)"), &[], Kind::Float).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Storage);
        }
    });
}

#[test]
fn what_a_type_does_not_hold_is_refused_before_it_is_sent() {
    on_postgres(|pool, _| async move {
        let mut db = pool.get().await.unwrap();
        db.batch("BEGIN").await.unwrap();
        for (ty, value) in [
            ("integer", Value::Int(1 << 31)),
            ("integer", Value::Int(i64::MIN)),
            ("smallint", Value::Int(1 << 15)),
            ("boolean", Value::Int(2)),
            ("text", Value::from("a\0b")),
            ("text", Value::Blob(vec![1])),
            ("timestamptz", Value::Int(i64::MIN)),
        ] {
            let sql = format!("SELECT CAST(? AS {ty})");
            let error = one(&mut db, &sql, std::slice::from_ref(&value), Kind::Text).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Validation, "{ty} {value:?}: {error:?}");
            assert!(!db.transaction_failed(), "nothing was sent");
        }
        db.batch("COMMIT").await.unwrap();
    });
}

#[test]
fn a_value_of_another_kind_is_named() {
    on_postgres(|pool, _| async move {
        let mut db = pool.get().await.unwrap();
        for (sql, kind) in [
            ("SELECT text 'x' AS c", Kind::Int),
            ("SELECT 2 AS c", Kind::Bool),
            ("SELECT bytea '' AS c", Kind::Text),
            ("SELECT 1.5 AS c", Kind::BigInt),
            ("SELECT numeric '1e30' AS c", Kind::BigInt),
            ("SELECT interval '1 day' AS c", Kind::Text),
        ] {
            let error = db.query(sql, &[], &[kind]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Storage, "{sql}");
            assert!(error.message().contains("`c`"), "{error}");
            assert!(is_statement(&error));
        }
        let error = db.query("SELECT ?::int, ?::int", &[Value::Null], &[Kind::Int; 2]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        let error = db.query("SELECT 1, 2", &[], &[Kind::Int]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
    });
}

#[test]
fn parameters_may_stand_in_any_order_beside_question_marks() {
    on_postgres(|pool, _| async move {
        let mut db = pool.get().await.unwrap();
        let sql = "SELECT CAST(?2 AS text) || '?' || CAST(?1 AS text) || (jsonb '{\"a\":1}' ?? 'a')::text -- ?";
        let found = one(&mut db, sql, &[Value::from("x"), Value::from("y")], Kind::Text).await;
        assert_eq!(found.unwrap(), Value::from("y?xtrue"));
    });
}
