//! What happens to a server when something happens to its database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{builder, database, ended, int, note, pull, push, push_request, push_until_done, quick, raw, until};
use crate::error::Result;
use crate::future::BoxFuture;
use crate::query::lower::Dialect;
use crate::server::http::tests::authenticate;
use crate::server::http::{ConnectionPool, Connections, Database, Server};
use crate::server::tests::fixture::{App, mutation};
use crate::store::SqlExecutor;
use crate::store::postgres::PostgresPool;
use crate::value::{Kind, Row, Value};

/// Clients that push, each mutation until it is answered, while something happens to the database.
fn clients(server: &Server<App>, clients: usize, each: u64) -> Vec<tokio::task::JoinHandle<()>> {
    let client = |n: usize| {
        let server = server.clone();
        async move {
            let user = format!("u{n}");
            for id in 1..=each {
                let name = format!("{user} {id}");
                let body = push_until_done(&server, &user, &user, json!([mutation(id, &name, note(&name))])).await;
                assert!(["applied", "duplicate"].contains(&ended(&body)[0].as_str()), "{body}");
            }
        }
    };
    (0..clients).map(|n| tokio::spawn(client(n))).collect()
}

/// Each mutation has run once.
async fn assert_once(url: &str, mutations: i64) {
    let mut db = raw(url).await;
    assert_eq!(int(&mut db, "SELECT count(*) FROM notes").await, mutations);
    assert_eq!(int(&mut db, "SELECT count(*) FROM _plasma_changes WHERE op = 'put'").await, mutations);
    assert_eq!(int(&mut db, "SELECT count(*) FROM _plasma_outcomes WHERE status = 'applied'").await, mutations);
    assert_eq!(
        int(&mut db, "SELECT CAST(sum(last_mutation_id) AS bigint) FROM _plasma_client_mutations").await,
        mutations
    );
}

#[tokio::test]
async fn killed_backends_lose_nothing() {
    let Some(url) = database().await else { return };
    let server = builder(quick(&url)).on_error(|_| {}).open().await.unwrap();
    let pushing = clients(&server, 6, 25);
    let ended = Arc::new(AtomicBool::new(false));
    let killer = {
        let (url, ended) = (url.clone(), Arc::clone(&ended));
        tokio::spawn(async move {
            let mut db = raw(&url).await;
            let mut killed = 0;
            while !ended.load(Ordering::SeqCst) {
                killed += int(
                    &mut db,
                    "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 2) AS k",
                )
                .await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            killed
        })
    };
    for client in pushing {
        client.await.unwrap();
    }
    ended.store(true, Ordering::SeqCst);
    let killed = killer.await.unwrap();
    assert!(killed > 10, "only {killed} backends were killed");
    assert_once(&url, 150).await;
    let (status, body) = pull(&server, "u0", "&limit=10000").await;
    assert_eq!((status, body["patch"].as_array().map(Vec::len)), (200, Some(151)), "{body}");
}

#[tokio::test]
async fn a_stopped_database_is_answered_for_and_recovered_from() {
    let started = tokio::task::spawn_blocking(|| {
        let server = plasma_test_postgres::Server::start(plasma_test_postgres::Durability::Full)?;
        let url = server.database().url;
        Some((server, url))
    });
    let Some((mut postgres, url)) = started.await.unwrap() else { return plasma_test_postgres::skip() };
    let reports = Arc::new(AtomicU32::new(0));
    let heard = Arc::clone(&reports);
    let server = builder(quick(&url))
        .on_error(move |_| {
            heard.fetch_add(1, Ordering::SeqCst);
        })
        .open()
        .await
        .unwrap();
    let pushing = clients(&server, 4, 40);
    for round in 0..3 {
        let mut db = raw(&url).await;
        let before = int(&mut db, "SELECT count(*) FROM notes").await;
        let enough = format!("SELECT CASE WHEN count(*) >= {} THEN 1 ELSE 0 END FROM notes", (before + 5).min(160));
        until(&mut db, &enough, 1).await;
        drop(db);
        postgres = tokio::task::spawn_blocking(move || {
            let process = postgres.process().unwrap();
            // In order, and as a crash does.
            if round == 1 {
                process.stop()
            } else {
                process.kill()
            }
            postgres
        })
        .await
        .unwrap();
        let began = Instant::now();
        let (status, body) = push(&server, "x", "x", json!([])).await;
        assert_eq!((status, body["error"].as_str()), (503, Some("unavailable")), "{body}");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        let (status, body) = pull(&server, "x", "").await;
        assert_eq!(status, 503, "{body}");
        let health = crate::protocol::WireRequest {
            method: crate::protocol::Method::Get,
            path: "/sync/health".to_owned(),
            ..push_request("x", "x", json!([]))
        };
        assert_eq!(server.respond(health).await.status, 200);
        postgres = tokio::task::spawn_blocking(move || {
            postgres.process().unwrap().start_again();
            postgres
        })
        .await
        .unwrap();
    }
    for client in pushing {
        client.await.unwrap();
    }
    assert_once(&url, 160).await;
    assert!(reports.load(Ordering::SeqCst) > 0, "an outage is told of");
    drop(server);
    tokio::task::spawn_blocking(move || drop(postgres)).await.unwrap();
}

/// A pool whose connections are lost at the answer to a commit: after it, or before it came to the server.
struct Lossy {
    pool: PostgresPool,
    /// Commits until one is lost; 0 for none.
    left: Arc<AtomicU32>,
    committed: bool,
}

impl Database for Lossy {
    fn connections(self: Box<Self>) -> Result<Connections> {
        Ok(Connections::Pooled(Arc::new(*self)))
    }
}

impl ConnectionPool for Lossy {
    fn get(&self) -> BoxFuture<'_, Result<Box<dyn SqlExecutor>>> {
        Box::pin(async {
            let db = Box::new(self.pool.get().await?);
            Ok(Box::new(Losing { db, left: Arc::clone(&self.left), committed: self.committed }) as Box<dyn SqlExecutor>)
        })
    }
    fn get_own(&self) -> BoxFuture<'_, Result<Box<dyn SqlExecutor>>> {
        ConnectionPool::get_own(&self.pool)
    }
    fn size(&self) -> usize {
        self.pool.size()
    }
}

struct Losing {
    db: Box<dyn SqlExecutor>,
    left: Arc<AtomicU32>,
    committed: bool,
}

impl SqlExecutor for Losing {
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
        let left = sql == "COMMIT" && self.left.load(Ordering::SeqCst) > 0;
        if left && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            return Box::pin(async move {
                self.db.batch(if self.committed { "COMMIT" } else { "ROLLBACK" }).await?;
                self.db.batch("SELECT pg_terminate_backend(pg_backend_pid())").await
            });
        }
        self.db.batch(sql)
    }
    fn in_transaction(&self) -> bool {
        self.db.in_transaction()
    }
}

#[tokio::test]
async fn whether_a_lost_commit_was_one_the_ledger_says() {
    for committed in [true, false] {
        let Some(url) = database().await else { return };
        let left = Arc::new(AtomicU32::new(0));
        let pool = PostgresPool::new(quick(&url)).unwrap();
        let database = Lossy { pool, left: Arc::clone(&left), committed };
        let server = Server::<App>::builder(database).auth(authenticate).on_error(|_| {}).open().await.unwrap();
        let mutations: serde_json::Value =
            (1..=40).map(|id| mutation(id, &format!("k{id}"), note(&format!("n{id}")))).collect();
        // The second of the two transactions of this push.
        left.store(2, Ordering::SeqCst);
        assert_eq!(push(&server, "alice", "c", mutations.clone()).await.0, 503);
        let body = push_until_done(&server, "alice", "c", mutations).await;
        let duplicates = ended(&body).iter().filter(|status| *status == "duplicate").count();
        assert_eq!(duplicates, if committed { 40 } else { 32 }, "{body}");
        assert_once(&url, 40).await;
    }
}
