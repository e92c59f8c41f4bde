//! What is a mutation's own fault, and what is its database's.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::{WAITING, builder, database, ended, note, push, push_until_done, quick, raw, texts, until};
use crate::error::Result;
use crate::future::BoxFuture;
use crate::query::lower::Dialect;
use crate::server::http::tests::authenticate;
use crate::server::http::{ConnectionPool, Connections, Database, Server};
use crate::server::tests::fixture::{App, mutation, uuid};
use crate::store::SqlExecutor;
use crate::store::postgres::error::is_full;
use crate::store::postgres::{PostgresOptions, PostgresPool};
use crate::value::{Kind, Row, Value};

/// The texts of all notes, in order.
const NOTES: &str = "SELECT text FROM notes ORDER BY text";

#[tokio::test]
async fn a_runaway_statement_is_its_mutations_own_fault_when_that_has_shown() {
    let Some(url) = database().await else { return };
    let options = PostgresOptions { statement_timeout_ms: 300, ..quick(&url) };
    let server = builder(options).on_error(|_| {}).open().await.unwrap();
    let runs_away = json!(["sql", "SELECT count(*) FROM generate_series(1, 1000000000)"]);
    let mutations = json!([
        mutation(1, "a", note("a")),
        mutation(2, "slow", json!([note("s")[0], runs_away])),
        mutation(3, "b", note("b"))
    ]);
    let mut db = raw(&url).await;
    for round in 1..=5 {
        // Once it may be the disk that stalls, or an operator who cancels what is in the way.
        let (status, body) = push(&server, "alice", "c", mutations.clone()).await;
        assert_eq!((status, body["error"].as_str()), (503, Some("unavailable")), "{round}: {body}");
        // What comes before it does not wait for it, nor does anybody else.
        assert_eq!(texts(&mut db, "SELECT text FROM notes WHERE text = 'a'").await, ["a"]);
        let name = format!("bob {round}");
        assert_eq!(
            ended(&push(&server, "bob", "b", json!([mutation(round, &name, note(&name))])).await.1),
            ["applied"]
        );
    }
    let (status, body) = push(&server, "alice", "c", mutations).await;
    assert_eq!((status, ended(&body).join(" ")), (200, "duplicate internal applied".to_owned()), "{body}");
    assert_eq!(texts(&mut db, "SELECT text FROM notes WHERE text IN ('a', 'b', 's') ORDER BY text").await, ["a", "b"]);
}

#[tokio::test]
async fn a_statement_that_an_operator_cancels_is_run_again() {
    let Some(url) = database().await else { return };
    // The wait for a row counts as time of the statement too.
    let options = PostgresOptions { lock_timeout_ms: 0, ..quick(&url) };
    let server = builder(options).on_error(|_| {}).open().await.unwrap();
    assert_eq!(ended(&push(&server, "m", "m", json!([mutation(1, "m", note("held"))])).await.1), ["applied"]);
    let mut holder = raw(&url).await;
    holder.batch("BEGIN; SELECT * FROM notes FOR UPDATE").await.unwrap();
    let wants = json!([mutation(1, "wants", json!([["update", "notes", uuid("held"), { "tag": "mine" }]]))]);
    let pushing = {
        let (server, wants) = (server.clone(), wants.clone());
        tokio::spawn(async move { push(&server, "alice", "c", wants).await })
    };
    let mut db = raw(&url).await;
    until(&mut db, WAITING, 1).await;
    let cancel = "SELECT count(*) FROM (SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
                  WHERE datname = current_database() AND wait_event_type = 'Lock') AS canceled";
    until(&mut db, cancel, 1).await;
    let (status, body) = pushing.await.unwrap();
    assert_eq!((status, body["error"].as_str()), (503, Some("unavailable")), "{body}");
    holder.batch("ROLLBACK").await.unwrap();
    assert_eq!(ended(&push(&server, "alice", "c", wants).await.1), ["applied"]);
}

/// What an operator lets the database check at the end of transactions only.
#[tokio::test]
async fn what_is_checked_at_the_commit_is_the_fault_of_the_mutation_that_broke_it() {
    let Some(url) = database().await else { return };
    let server = builder(quick(&url)).on_error(|_| {}).open().await.unwrap();
    let mut db = raw(&url).await;
    db.batch(
        "CREATE FUNCTION no_spam() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF NEW.text LIKE '%spam%' THEN RAISE EXCEPTION 'no spam here'; END IF; RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER no_spam AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION no_spam()",
    )
    .await
    .unwrap();
    let names = ["a", "spam", "b", "more spam", "c"];
    let mutations = (1..).zip(names).map(|(id, name)| mutation(id, name, note(name))).collect();
    let (status, body) = push(&server, "alice", "c", mutations).await;
    assert_eq!(
        (status, ended(&body).join(" ")),
        (200, "applied conflict applied conflict applied".to_owned()),
        "{body}"
    );
    assert_eq!(body["results"][1]["error"]["message"], "no spam here", "{body}");
    assert_eq!(texts(&mut db, NOTES).await, ["a", "b", "c"]);
    assert_eq!(ended(&push(&server, "bob", "b", json!([mutation(1, "d", note("d"))])).await.1), ["applied"]);
}

/// While one serializable transaction is open, the locks of what others have read are kept, and the server's table of
/// them is of one size.
#[tokio::test]
async fn a_full_table_of_locks_says_nothing_about_a_mutation() {
    let started = tokio::task::spawn_blocking(|| {
        let mut postgres = plasma_test_postgres::Server::start(plasma_test_postgres::Durability::None)?;
        let process = postgres.process().unwrap();
        process.stop();
        process.set("max_connections", "20");
        process.start_again();
        let url = postgres.database().url;
        Some((postgres, url))
    });
    let Some((postgres, url)) = started.await.unwrap() else { return plasma_test_postgres::skip() };
    let server = builder(quick(&url)).on_error(|_| {}).open().await.unwrap();
    let (mut holder, mut burns) = (raw(&url).await, raw(&url).await);
    burns
        .batch(
            "CREATE TABLE pages (id int PRIMARY KEY, filler text);
             INSERT INTO pages SELECT n, repeat('x', 1500) FROM generate_series(1, 20000) AS n; ANALYZE pages;",
        )
        .await
        .unwrap();
    holder
        .batch("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1 FROM pages WHERE id = 1; UPDATE pages SET filler = '' WHERE id = 1")
        .await
        .unwrap();
    let full = 'burning: {
        for first in 0..600 {
            burns.batch("BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL enable_seqscan = off").await.unwrap();
            for n in 0..30 {
                let id = Value::Int(2 + first * 30 + n);
                let read = burns.query("SELECT id FROM pages WHERE id = ?", &[id], &[Kind::Int]).await;
                if let Err(error) = read {
                    burns.batch("ROLLBACK").await.unwrap();
                    break 'burning error;
                }
            }
            burns.batch("UPDATE pages SET filler = 'y' WHERE id = 20000; COMMIT").await.unwrap();
        }
        panic!("there is room for the locks of 600 transactions");
    };
    assert!(is_full(&full) && full.message().contains("max_pred_locks_per_transaction"), "{full:?}");
    // Larger than the room that the last one left.
    let many = |user: &str| -> serde_json::Value {
        (1..=30).map(|id| mutation(id, &format!("{user}{id}"), note(&format!("{user}{id}")))).collect()
    };
    let mut refused = 0;
    for round in 0..8 {
        let (status, body) =
            push(&server, &format!("u{round}"), &format!("u{round}"), many(&format!("u{round}"))).await;
        if status == 503 {
            assert_eq!(body["error"], "unavailable", "{body}");
            refused += 1;
        } else {
            assert!(ended(&body).iter().all(|ended| ended == "applied"), "{body}");
        }
    }
    assert!(refused > 0, "the table of locks was not full");
    for _ in 0..6 {
        push(&server, "u7", "u7", many("u7")).await;
    }
    holder.batch("ROLLBACK").await.unwrap();
    for round in 0..8 {
        let user = format!("u{round}");
        let body = push_until_done(&server, &user, &user, many(&user)).await;
        assert!(ended(&body).iter().all(|ended| ended == "applied" || ended == "duplicate"), "{body}");
    }
    drop(server);
    tokio::task::spawn_blocking(move || drop(postgres)).await.unwrap();
}

/// A pool over a database whose process crashes at one statement.
struct Fragile {
    pool: PostgresPool,
    crashes: Arc<AtomicU32>,
}

impl Database for Fragile {
    fn connections(self: Box<Self>) -> Result<Connections> {
        Ok(Connections::Pooled(Arc::new(*self)))
    }
}

impl ConnectionPool for Fragile {
    fn get(&self) -> BoxFuture<'_, Result<Box<dyn SqlExecutor>>> {
        Box::pin(async {
            let db = Box::new(self.pool.get().await?);
            Ok(Box::new(Crashing { db, crashes: Arc::clone(&self.crashes) }) as Box<dyn SqlExecutor>)
        })
    }
    fn get_own(&self) -> BoxFuture<'_, Result<Box<dyn SqlExecutor>>> {
        ConnectionPool::get_own(&self.pool)
    }
    fn size(&self) -> usize {
        self.pool.size()
    }
}

const CRASH: &str = "SELECT 1 AS crash";

struct Crashing {
    db: Box<dyn SqlExecutor>,
    crashes: Arc<AtomicU32>,
}

impl SqlExecutor for Crashing {
    fn dialect(&self) -> Dialect {
        self.db.dialect()
    }
    fn execute<'a>(&'a mut self, sql: &'a str, params: &'a [Value]) -> BoxFuture<'a, Result<u64>> {
        self.db.execute(sql, params)
    }
    fn query<'a>(
        &'a mut self,
        sql: &'a str,
        params: &'a [Value],
        kinds: &'a [Kind],
    ) -> BoxFuture<'a, Result<Vec<Row>>> {
        self.db.query(sql, params, kinds)
    }
    fn batch<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        self.db.batch(sql)
    }
    fn check_reads<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        self.db.check_reads(sql)
    }
    fn read<'a>(&'a mut self, sql: &'a str, params: &'a [Value], kinds: &'a [Kind]) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            if sql == CRASH {
                let rows = self.db.query("SELECT pg_backend_pid()", &[], &[Kind::Int]).await?;
                let pid = rows[0][0].as_int().unwrap().to_string();
                self.crashes.fetch_add(1, Ordering::SeqCst);
                assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
            }
            self.db.read(sql, params, kinds).await
        })
    }
    fn in_transaction(&self) -> bool {
        self.db.in_transaction()
    }
}

#[tokio::test]
async fn a_mutation_that_crashes_the_database_stops_its_client_for_a_few_tries_only() {
    let started = tokio::task::spawn_blocking(|| {
        // What is committed survives the crash.
        let postgres = plasma_test_postgres::Server::start(plasma_test_postgres::Durability::Full)?;
        let url = postgres.database().url;
        Some((postgres, url))
    });
    let Some((postgres, url)) = started.await.unwrap() else { return plasma_test_postgres::skip() };
    let crashes = Arc::new(AtomicU32::new(0));
    let pool = PostgresPool::new(quick(&url)).unwrap();
    let database = Fragile { pool, crashes: Arc::clone(&crashes) };
    let server = Server::<App>::builder(database).auth(authenticate).on_error(|_| {}).open().await.unwrap();
    let poison = json!([
        mutation(1, "before", note("before")),
        mutation(2, "crash", json!([note("lost")[0], ["sql", CRASH]])),
        mutation(3, "after", note("after"))
    ]);
    let mut others = 0;
    let body = loop {
        let (status, body) = push(&server, "alice", "c", poison.clone()).await;
        if status == 200 {
            break body;
        }
        assert_eq!((status, body["error"].as_str()), (503, Some("unavailable")), "{body}");
        others += 1;
        assert!(others < 50, "the client waits for ever");
        // Others come through when the database is back, and are not blamed.
        let name = format!("bob {others}");
        let body = push_until_done(&server, "bob", "b", json!([mutation(others, &name, note(&name))])).await;
        assert!(["applied", "duplicate"].contains(&ended(&body)[0].as_str()), "{body}");
        if crashes.load(Ordering::SeqCst) == 2 {
            // What comes before it is not taken with it a second time.
            assert!(texts(&mut raw(&url).await, NOTES).await.contains(&"before".to_owned()));
        }
    };
    assert_eq!(ended(&body).join(" "), "duplicate internal applied", "{body}");
    assert_eq!(crashes.load(Ordering::SeqCst), 5, "as often as any other fault is met");
    let mut expected: Vec<String> = (1..=others).map(|n| format!("bob {n}")).collect();
    expected.extend(["after".to_owned(), "before".to_owned()]);
    expected.sort();
    assert_eq!(texts(&mut raw(&url).await, NOTES).await, expected);
    drop(server);
    tokio::task::spawn_blocking(move || drop(postgres)).await.unwrap();
}
