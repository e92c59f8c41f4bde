use super::*;

#[test]
fn constraints_are_conflicts_that_name_their_columns() {
    on_postgres(|pool, _| async move {
        let mut db = pool.get().await.unwrap();
        db.batch(
            "CREATE TABLE p (id text PRIMARY KEY);
             CREATE TABLE t (id text PRIMARY KEY, slug text UNIQUE, n integer CONSTRAINT n CHECK (n > 0),
                 \"odd.na,me\" text UNIQUE, p text REFERENCES p (id), u text, v text, UNIQUE (u, v));
             CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'rows stay'; END $$;
             CREATE TRIGGER t_no BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION no();
             INSERT INTO t VALUES ('1', 'a', 1, 'x', NULL, 'u', 'v');",
        )
        .await
        .unwrap();
        let cases = [
            ("INSERT INTO t (id) VALUES ('1')", "unique", Some("t"), vec!["id"]),
            ("INSERT INTO t (id, slug) VALUES ('2', 'a')", "unique", Some("t"), vec!["slug"]),
            ("INSERT INTO t (id, \"odd.na,me\") VALUES ('2', 'x')", "unique", Some("t"), vec!["odd.na,me"]),
            ("INSERT INTO t (id, u, v) VALUES ('2', 'u', 'v')", "unique", Some("t"), vec!["u", "v"]),
            ("INSERT INTO t (id) VALUES (NULL)", "not-null", Some("t"), vec!["id"]),
            ("INSERT INTO t (id, n) VALUES ('2', 0)", "check", None, vec!["n"]),
            ("INSERT INTO t (id, p) VALUES ('2', 'none')", "foreign-key", None, vec![]),
            ("DELETE FROM t", "trigger", None, vec![]),
        ];
        for (sql, constraint, table, columns) in cases {
            let error = db.execute(sql, &[]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{sql}: {error:?}");
            let expected = serde_json::json!({ "constraint": constraint, "table": table, "columns": columns });
            assert_eq!(error.data(), Some(&expected), "{sql}: {error}");
            assert!(sql_state(&error).is_some() && !is_statement(&error) && !is_retryable(&error));
        }
        let error = db.execute("DELETE FROM t", &[]).await.unwrap_err();
        assert_eq!(error.message(), "rows stay");
    });
}

#[test]
fn ranges_limits_and_wrong_statements_are_told_apart() {
    on_postgres(|pool, _| async move {
        let mut db = pool.get().await.unwrap();
        for sql in [
            "SELECT 9223372036854775807 + 1",
            "SELECT 1 / (SELECT 0)",
            "SELECT 2147483647::int + 1",
            "SELECT 1e308::float8 * 1e308::float8",
            "SELECT 1e300::numeric::float8 * 1e300",
        ] {
            let error = one(&mut db, sql, &[], Kind::Float).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Overflow, "{sql}: {error:?}");
        }
        let wide = format!("SELECT {}1", "1, ".repeat(2_000));
        assert_eq!(one(&mut db, &wide, &[], Kind::Int).await.unwrap_err().kind(), ErrorKind::TooLarge);
        for sql in
            ["SELEC", "SELECT no_such_column", "SELECT * FROM nowhere", "SELECT 'x'::int", "SELECT (VALUES (1), (2))"]
        {
            let error = one(&mut db, sql, &[], Kind::Int).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Storage, "{sql}: {error:?}");
            assert!(is_statement(&error) && !is_connection(&error), "{sql}");
        }
    });
}

#[test]
fn who_loses_against_another_transaction_may_try_again() {
    on_postgres(|pool, _| async move {
        let (mut a, mut b) = (pool.get().await.unwrap(), pool.get().await.unwrap());
        a.batch("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0), (2, 0)").await.unwrap();
        // A serialization failure.
        for db in [&mut a, &mut b] {
            db.batch("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
            one(db, "SELECT n FROM t WHERE id = 1", &[], Kind::Int).await.unwrap();
        }
        a.execute("UPDATE t SET n = 1 WHERE id = 1", &[]).await.unwrap();
        a.batch("COMMIT").await.unwrap();
        let error = b.execute("UPDATE t SET n = 2 WHERE id = 1", &[]).await.unwrap_err();
        assert!(is_retryable(&error) && !error.is_refusal() && !is_statement(&error), "{error:?}");
        assert!(b.transaction_failed());
        b.batch("ROLLBACK").await.unwrap();
        // A deadlock.
        for (db, id) in [(&mut a, 1), (&mut b, 2)] {
            db.batch("BEGIN; SET LOCAL deadlock_timeout = '10ms'").await.unwrap();
            db.execute("UPDATE t SET n = 3 WHERE id = ?", &[Value::Int(id)]).await.unwrap();
        }
        let (first, second) = tokio::join!(
            async {
                let done = a.execute("UPDATE t SET n = 4 WHERE id = 2", &[]).await;
                a.batch("ROLLBACK").await.unwrap();
                done
            },
            async {
                let done = b.execute("UPDATE t SET n = 4 WHERE id = 1", &[]).await;
                b.batch("ROLLBACK").await.unwrap();
                done
            }
        );
        let errors: Vec<Error> = [first, second].into_iter().filter_map(Result::err).collect();
        assert!(errors.len() == 1 && errors.iter().all(is_retryable), "{errors:?}");
    });
}

#[test]
fn statements_and_waits_end_in_time() {
    on_postgres(|pool, _| async move {
        let (mut a, mut b) = (pool.get().await.unwrap(), pool.get().await.unwrap());
        a.batch("CREATE TABLE t (id int PRIMARY KEY)").await.unwrap();
        b.batch("SET statement_timeout = 20").await.unwrap();
        let error = b.query("SELECT 1 FROM pg_sleep(20)", &[], &[Kind::Int]).await.unwrap_err();
        assert!(is_canceled(&error) && !is_statement(&error) && !is_connection(&error), "{error:?}");
        a.batch("BEGIN; LOCK TABLE t").await.unwrap();
        b.batch("SET statement_timeout = 0; SET lock_timeout = 20").await.unwrap();
        let error = b.query("SELECT id FROM t", &[], &[Kind::Int]).await.unwrap_err();
        assert!(is_locked(&error) && !is_statement(&error), "{error:?}");
        a.batch("ROLLBACK").await.unwrap();
        assert!(b.query("SELECT id FROM t", &[], &[Kind::Int]).await.unwrap().is_empty());
    });
}

#[test]
fn a_table_that_changed_under_a_prepared_statement() {
    on_postgres(|pool, _| async move {
        let (mut a, mut b) = (pool.get().await.unwrap(), pool.get().await.unwrap());
        a.batch("CREATE TABLE t (id int)").await.unwrap();
        let all = "SELECT * FROM t";
        b.query(all, &[], &[Kind::Int]).await.unwrap();
        a.batch("ALTER TABLE t ALTER id TYPE bigint").await.unwrap();
        // By itself the statement is prepared again; in a transaction that failed there is no second time.
        b.query(all, &[], &[Kind::Int]).await.unwrap();
        a.batch("ALTER TABLE t ALTER id TYPE smallint").await.unwrap();
        b.batch("BEGIN").await.unwrap();
        let error = b.query(all, &[], &[Kind::Int]).await.unwrap_err();
        assert!(is_retryable(&error) && !is_statement(&error), "{error:?}");
        b.batch("ROLLBACK; BEGIN").await.unwrap();
        b.query(all, &[], &[Kind::Int]).await.unwrap();
        b.batch("ROLLBACK; DEALLOCATE ALL; BEGIN").await.unwrap();
        assert!(is_retryable(&b.query(all, &[], &[Kind::Int]).await.unwrap_err()));
        b.batch("ROLLBACK").await.unwrap();
        b.query(all, &[], &[Kind::Int]).await.unwrap();
    });
}
