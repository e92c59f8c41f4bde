use super::*;

async fn count(db: &mut PostgresConnection) -> Value {
    one(db, "SELECT count(*) FROM t", &[], Kind::BigInt).await.unwrap()
}

#[test]
fn a_connection_knows_of_its_transaction() {
    on_postgres(|pool, _| async move {
        let mut db = pool.get().await.unwrap();
        db.batch("CREATE TABLE t (id int PRIMARY KEY); BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
        assert!(db.in_transaction() && !db.transaction_failed());
        db.batch("SAVEPOINT s").await.unwrap();
        assert!(db.execute("INSERT INTO t VALUES (1)", &[]).await.is_err());
        assert!(db.in_transaction() && db.transaction_failed());
        // Nothing works any more, and is no statement's fault.
        let error = db.query("SELECT id FROM t", &[], &[Kind::Int]).await.unwrap_err();
        assert_eq!(sql_state(&error), Some("25P02"));
        assert!(!is_statement(&error));
        db.batch("ROLLBACK TO s; RELEASE s; INSERT INTO t VALUES (2)").await.unwrap();
        assert!(db.in_transaction() && !db.transaction_failed());
        db.batch("COMMIT").await.unwrap();
        assert!(!db.in_transaction());
        assert_eq!(count(&mut db).await, Value::Int(2));

        // The server would answer a commit of what failed with a silent rollback.
        db.batch("BEGIN; INSERT INTO t VALUES (3)").await.unwrap();
        assert!(db.batch("INSERT INTO t VALUES (3)").await.is_err());
        assert_eq!(db.batch("COMMIT").await.unwrap_err().kind(), ErrorKind::Storage);
        assert!(!db.in_transaction());
        assert_eq!(count(&mut db).await, Value::Int(2));

        // What is deferred fails at the end.
        db.batch("ALTER TABLE t ADD p int REFERENCES t DEFERRABLE INITIALLY DEFERRED").await.unwrap();
        db.batch("BEGIN; INSERT INTO t VALUES (9, 99)").await.unwrap();
        let error = db.batch("COMMIT").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(!db.in_transaction());
        // Without a transaction a failed statement is just that.
        assert!(db.execute("INSERT INTO t VALUES (1)", &[]).await.is_err());
        assert!(!db.in_transaction());
        db.execute("BEGIN", &[]).await.unwrap();
        assert!(db.in_transaction());
        db.execute("ROLLBACK", &[]).await.unwrap();
        assert!(!db.in_transaction());
    });
}

#[test]
fn steps_sent_together_stop_at_the_first_that_fails() {
    use SqlStep::{Batch, Execute, Query};
    on_postgres(|pool, _| async move {
        let mut db = pool.get().await.unwrap();
        db.batch("CREATE TABLE t (id int PRIMARY KEY)").await.unwrap();
        let [zero, one, two, three] = [0, 1, 2, 3].map(|id| [Value::Int(id)]);
        let insert = "INSERT INTO t VALUES (?)";
        let returning = "INSERT INTO t VALUES (?) RETURNING id";
        let steps = [Batch("BEGIN; SET LOCAL jit = off"), Execute(insert, &one), Query(returning, &two, &[Kind::Int])];
        let rows = db.run_all(&steps).await.unwrap();
        assert_eq!(rows, [vec![], vec![], vec![vec![Value::Int(2)]]]);
        assert!(db.in_transaction() && !db.transaction_failed());
        db.run_all(&[Batch("COMMIT")]).await.unwrap();
        assert!(!db.in_transaction());

        // The commit at the end is none.
        let steps =
            [Batch("BEGIN"), Execute(insert, &three), Execute(insert, &one), Execute(insert, &zero), Batch("COMMIT")];
        assert_eq!(db.run_all(&steps).await.unwrap_err().kind(), ErrorKind::Conflict);
        assert!(!db.in_transaction());
        assert_eq!(count(&mut db).await, Value::Int(2));

        // Without it the transaction is open and has failed, up to the savepoint.
        let steps = [Batch("BEGIN; SAVEPOINT s"), Execute(insert, &one), Execute(insert, &zero)];
        assert_eq!(db.run_all(&steps).await.unwrap_err().kind(), ErrorKind::Conflict);
        assert!(db.in_transaction() && db.transaction_failed());
        db.run_all(&[Batch("ROLLBACK TO s"), Execute(insert, &three), Batch("COMMIT")]).await.unwrap();
        assert!(!db.in_transaction());
        assert_eq!(count(&mut db).await, Value::Int(3));

        // A begin that fails in the middle of its text may have begun.
        assert!(db.run_all(&[Batch("BEGIN; SELECT nothing"), Execute(insert, &zero)]).await.is_err());
        db.batch("ROLLBACK").await.unwrap();
        assert!(!db.in_transaction());

        // A value that does not fit its parameter is not sent, and nothing after it is: not even the commit.
        db.batch("BEGIN").await.unwrap();
        let wrong = [Value::Int(i64::MAX)];
        let steps = [Execute(insert, &zero), Execute(insert, &wrong), Batch("COMMIT")];
        let error = db.run_all(&steps).await.unwrap_err();
        assert!(sql_state(&error).is_none(), "the server never saw it: {error:?}");
        assert!(db.in_transaction());
        db.batch("ROLLBACK").await.unwrap();
        assert_eq!(count(&mut db).await, Value::Int(3));
    });
}

#[test]
fn raw_sql_that_writes_is_refused_whatever_it_looks_like() {
    on_postgres(|pool, _| async move {
        let mut db = pool.get().await.unwrap();
        db.batch(
            "CREATE TABLE t (id int);
             CREATE FUNCTION sneak() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (7) RETURNING id';
             CREATE SEQUENCE s;",
        )
        .await
        .unwrap();
        let writes = [
            "INSERT INTO t VALUES (1) RETURNING id",
            "WITH w AS (INSERT INTO t VALUES (1) RETURNING id) SELECT id FROM w",
            "WITH w AS (DELETE FROM t RETURNING id) SELECT 1",
            "SELECT sneak()",
            "SELECT nextval('s')",
            "SELECT id INTO u FROM t",
            "SELECT id FROM t FOR UPDATE",
            "SELECT 1; DELETE FROM t",
            "COMMIT",
            "SET TRANSACTION READ WRITE",
            "/* SELECT */ DELETE FROM t RETURNING 1",
            "EXPLAIN ANALYZE DELETE FROM t",
            "",
        ];
        let reads = ["SELECT count(*) FROM t", " -- a\n(VALUES (0))", "WITH w AS (SELECT 0) SELECT * FROM w"];
        for open in [false, true] {
            for sql in writes {
                if open {
                    db.batch("BEGIN; SAVEPOINT mine").await.unwrap();
                }
                let error = db.read(sql, &[], &[Kind::BigInt]).await.unwrap_err();
                let refused = error.kind() == ErrorKind::Internal || is_statement(&error);
                assert!(refused, "{sql}: {error:?}");
                assert_eq!(db.in_transaction(), open, "{sql}");
                assert!(!db.transaction_failed(), "{sql}: the transaction goes on");
                assert_eq!(count(&mut db).await, Value::Int(0), "{sql}");
                if open {
                    db.batch("ROLLBACK").await.unwrap();
                }
            }
            for sql in reads {
                if open {
                    db.batch("BEGIN").await.unwrap();
                }
                assert_eq!(db.read(sql, &[], &[Kind::BigInt]).await.unwrap(), [[Value::Int(0)]], "{sql}");
                if open {
                    // Writing is possible again.
                    db.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
                    db.batch("ROLLBACK").await.unwrap();
                }
                assert!(!db.in_transaction());
            }
        }
    });
}

#[test]
fn statements_that_are_made_up_as_one_goes_do_not_pile_up() {
    on_postgres(|pool, _| async move {
        for round in 0..3 {
            let mut db = pool.get().await.unwrap();
            for n in 0..600 {
                one(&mut db, &format!("SELECT {}", round * 1_000 + n), &[], Kind::Int).await.unwrap();
                let _ = db.query(&format!("SELECT missing{n}"), &[], &[Kind::Int]).await.unwrap_err();
            }
        }
        let mut db = pool.get().await.unwrap();
        let kept = one(&mut db, "SELECT count(*) FROM pg_prepared_statements", &[], Kind::BigInt).await.unwrap();
        assert!(matches!(kept, Value::Int(n) if n <= 1_300), "{kept:?}");
    });
}
