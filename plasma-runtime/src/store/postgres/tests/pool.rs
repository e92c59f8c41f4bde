use super::*;

fn pool_of(url: &str, change: impl FnOnce(&mut PostgresOptions)) -> PostgresPool {
    let mut options = PostgresOptions::new(url);
    change(&mut options);
    PostgresPool::new(options).unwrap()
}

/// The number of a connection's process at the server.
async fn pid(db: &mut PostgresConnection) -> Value {
    one(db, "SELECT pg_backend_pid()", &[], Kind::Int).await.unwrap()
}

/// Waits until the server has ended a process.
async fn ended(db: &mut PostgresConnection, pid: &Value) {
    let lives = "SELECT count(*) FROM pg_stat_activity WHERE pid = CAST(? AS integer)";
    while one(db, lives, std::slice::from_ref(pid), Kind::BigInt).await.unwrap() != Value::Int(0) {}
}

async fn terminate(db: &mut PostgresConnection, pid: &Value) {
    let ended = one(db, "SELECT pg_terminate_backend(?, 10000)", std::slice::from_ref(pid), Kind::Bool).await;
    assert_eq!(ended.unwrap(), Value::Bool(true));
}

#[test]
fn connections_go_back_and_are_waited_for() {
    on_postgres(|_, database| async move {
        let pool = pool_of(&database.url, |options| (options.pool_size, options.wait_timeout_ms) = (1, 20));
        let mut db = pool.get().await.unwrap();
        let first = pid(&mut db).await;
        assert_eq!((pool.available(), pool.size()), (0, 1));
        let error = pool.get().await.unwrap_err();
        assert!(error.kind() == ErrorKind::Fault && is_exhausted(&error) && !error.is_refusal(), "{error:?}");
        drop(db);
        let mut db = pool.get().await.unwrap();
        assert_eq!(pid(&mut db).await, first);
        drop(db);
        pool.close();
        assert_eq!(pool.get().await.unwrap_err().kind(), ErrorKind::Closed);
    });
}

#[test]
fn what_was_left_open_does_not_go_back() {
    on_postgres(|_, database| async move {
        let pool = pool_of(&database.url, |options| options.pool_size = 1);
        let mut db = pool.get().await.unwrap();
        let first = pid(&mut db).await;
        db.batch("CREATE TABLE t (id int); BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
        drop(db);
        let mut db = pool.get().await.unwrap();
        assert_ne!(pid(&mut db).await, first);
        assert!(!db.in_transaction());
        assert_eq!(one(&mut db, "SELECT count(*) FROM t", &[], Kind::BigInt).await.unwrap(), Value::Int(0));
        // A statement whose future was dropped: whether it ran, nobody knows.
        db.batch("BEGIN").await.unwrap();
        let abandoned =
            tokio::time::timeout(Duration::from_millis(1), db.query("SELECT 1 FROM pg_sleep(30)", &[], &[Kind::Int]))
                .await;
        assert!(abandoned.is_err());
        let error = one(&mut db, "SELECT 1", &[], Kind::Int).await.unwrap_err();
        assert!(is_connection(&error), "{error:?}");
        assert!(!db.in_transaction());
        drop(db);
        let mut db = pool.get().await.unwrap();
        one(&mut db, "SELECT 1", &[], Kind::Int).await.unwrap();
    });
}

#[test]
fn a_lost_connection_is_told_and_replaced() {
    on_postgres(|pool, _| async move {
        let (mut admin, mut db) = (pool.get().await.unwrap(), pool.get().await.unwrap());
        let victim = pid(&mut db).await;
        db.batch("BEGIN").await.unwrap();
        terminate(&mut admin, &victim).await;
        let error = one(&mut db, "SELECT 1", &[], Kind::Int).await.unwrap_err();
        assert!(is_connection(&error) && !error.is_refusal() && !is_statement(&error), "{error:?}");
        assert!(!db.in_transaction(), "the transaction went with it");
        let error = db.batch("ROLLBACK").await.unwrap_err();
        assert!(is_connection(&error), "{error:?}");
        drop(db);
        let mut db = pool.get().await.unwrap();
        assert_ne!(pid(&mut db).await, victim);
        // One that dies in the middle of a statement.
        let victim = pid(&mut db).await;
        let (lost, ()) =
            tokio::join!(db.query("SELECT 1 FROM pg_sleep(30)", &[], &[Kind::Int]), terminate(&mut admin, &victim));
        assert!(is_connection(&lost.unwrap_err()));
        // One that dies in the pool is not handed out.
        drop(db);
        let mut db = pool.get().await.unwrap();
        let victim = pid(&mut db).await;
        drop(db);
        terminate(&mut admin, &victim).await;
        // Its task hears of the end before it hears of what comes later.
        ended(&mut admin, &victim).await;
        let mut db = pool.get().await.unwrap();
        one(&mut db, "SELECT 1", &[], Kind::Int).await.unwrap();
    });
}

/// A server that hangs: the kernel takes the connection, nobody answers.
#[test]
fn a_server_that_is_silent_is_no_pool_that_is_exhausted() {
    block_on(async {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgres://nobody@{}/none", silent.local_addr().unwrap());
        let pool = pool_of(&url, |options| options.connect_timeout_ms = 100);
        let errors = [pool.get().await.map(drop), pool.get_own().await.map(drop), pool.open().await.map(drop)]
            .map(Result::unwrap_err);
        for error in errors {
            assert!(error.kind() == ErrorKind::Storage && is_connection(&error) && !is_exhausted(&error), "{error:?}");
        }
    });
}

#[test]
fn a_server_that_is_not_there() {
    block_on(async {
        let pool = pool_of("postgres://nobody@127.0.0.1:1/none", |_| {});
        let error = pool.get().await.unwrap_err();
        assert!(error.kind() == ErrorKind::Storage && is_connection(&error), "{error:?}");
    });
    on_postgres(|_, database| async move {
        let pool = pool_of(&format!("{}_missing", database.url), |_| {});
        let error = pool.get().await.unwrap_err();
        assert_eq!(sql_state(&error), Some("3D000"));
    });
}

#[test]
fn sessions_are_set_up() {
    on_postgres(|pool, database| async move {
        let mut db = pool.get().await.unwrap();
        // What an operator chose for all programs.
        db.batch(&format!("ALTER DATABASE {} SET default_transaction_isolation = 'serializable'", database.name))
            .await
            .unwrap();
        db.batch("CREATE SCHEMA \"other \"\"one\"; CREATE TABLE \"other \"\"one\".t (id int)").await.unwrap();
        assert!(db.query("SELECT id FROM t", &[], &[Kind::Int]).await.is_err());
        let pool = pool_of(&database.url, |options| {
            options.schema = Some("other \"one".into());
            options.statement_timeout_ms = 1_234;
            options.lock_timeout_ms = 56;
            options.idle_in_transaction_timeout_ms = 20;
            options.application_name = "it's plasma".into();
        });
        let mut admin = db;
        for mut db in [pool.get().await.unwrap(), pool.get_own().await.unwrap()] {
            assert!(db.query("SELECT id FROM t", &[], &[Kind::Int]).await.unwrap().is_empty());
            let setting = "SELECT current_setting('statement_timeout') || current_setting('lock_timeout') \
                           || current_setting('application_name') || current_setting('transaction_isolation')";
            let expected = Value::from("1234ms56msit's plasmaread committed");
            assert_eq!(one(&mut db, setting, &[], Kind::Text).await.unwrap(), expected);
            // Who leaves a transaction idle is thrown out.
            let idle = pid(&mut db).await;
            db.batch("BEGIN").await.unwrap();
            ended(&mut admin, &idle).await;
            let error = one(&mut db, "SELECT 1", &[], Kind::Int).await.unwrap_err();
            assert!(is_connection(&error), "{error:?}");
        }
    });
}
