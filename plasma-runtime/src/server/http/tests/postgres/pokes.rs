//! A change made through one process wakes clients of another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Semaphore;

use super::{builder, database, note, open, pull, push, quick, raw};
use crate::error::{Error, Result};
use crate::future::BoxFuture;
use crate::server::http::Server;
use crate::server::http::database::{ConnectionPool, Connections, Database};
use crate::server::http::tests::authenticate;
use crate::server::tests::fixture::{App, mutation};
use crate::server::{PokeBus, Subscription};
use crate::store::SqlExecutor;
use crate::store::postgres::PostgresPool;

/// A bus that loses everything.
#[derive(Debug)]
struct Deaf;

impl PokeBus for Deaf {
    fn publish<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }
    fn subscribe(&self) -> BoxFuture<'_, Result<Box<dyn Subscription>>> {
        Box::pin(async { Err(Error::fault("deaf")) })
    }
}

/// Holds a pull of bob's at this server until something comes; says what.
async fn hold(server: &Server<App>) -> tokio::task::JoinHandle<String> {
    let (status, body) = pull(server, "bob", "").await;
    assert_eq!(status, 200, "{body}");
    let cookie = body["cookie"].as_str().unwrap().to_owned();
    let most = server.inner.engine.limits().held_pulls;
    let held = {
        let server = server.clone();
        tokio::spawn(async move {
            let (status, body) = pull(&server, "bob", &format!("&cookie={cookie}&wait=20000")).await;
            assert_eq!(status, 200, "{body}");
            body["patch"][0]["value"]["text"].as_str().unwrap_or("nothing").to_owned()
        })
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.inner.held.available_permits() + 1 > most {
        assert!(Instant::now() < deadline, "the pull is not held");
        tokio::task::yield_now().await;
    }
    held
}

async fn wakes(from: &Server<App>, at: &Server<App>, id: u64) {
    let held = hold(at).await;
    let name = format!("n{id}");
    let started = Instant::now();
    assert_eq!(push(from, "alice", "c", json!([mutation(id, &name, note(&name))])).await.0, 200);
    assert_eq!(held.await.unwrap(), name);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn by_notifications_of_the_database() {
    let Some(url) = database().await else { return };
    let (one, two) = (open(&url).await, open(&url).await);
    wakes(&one, &one, 1).await;
    wakes(&one, &two, 2).await;
    // The connections of both are cut: they are made anew.
    let mut db = raw(&url).await;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    db.batch(cut).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while pull(&two, "bob", "").await.0 != 200 || push(&one, "alice", "c", json!([])).await.0 != 200 {
        assert!(Instant::now() < deadline, "the servers do not recover");
        tokio::task::yield_now().await;
    }
    wakes(&one, &two, 3).await;
    // Another program's writes are noticed too.
    let held = hold(&two).await;
    db.batch("INSERT INTO notes VALUES ('00000000-0000-4000-8000-000000000001', 'raw', NULL)").await.unwrap();
    assert_eq!(held.await.unwrap(), "raw");
}

#[tokio::test]
async fn lost_pokes_cost_time_and_nothing_else() {
    let Some(url) = database().await else { return };
    let one = builder(quick(&url)).poke_bus(Deaf).on_error(|_| {}).open().await.unwrap();
    let two = builder(quick(&url)).poke_bus(Deaf).on_error(|_| {}).open().await.unwrap();
    for id in 1..=3 {
        wakes(&one, &two, id).await;
    }
}

/// A pool whose own connections, the sequencer's, come when the gate opens.
struct Gated {
    pool: PostgresPool,
    gate: Arc<Semaphore>,
}

impl Database for Gated {
    fn connections(self: Box<Self>) -> Result<Connections> {
        Ok(Connections::Pooled(Arc::new(*self)))
    }
}

impl ConnectionPool for Gated {
    fn get(&self) -> BoxFuture<'_, Result<Box<dyn SqlExecutor>>> {
        ConnectionPool::get(&self.pool)
    }
    fn get_own(&self) -> BoxFuture<'_, Result<Box<dyn SqlExecutor>>> {
        Box::pin(async {
            let _open = self.gate.acquire().await;
            ConnectionPool::get_own(&self.pool).await
        })
    }
    fn size(&self) -> usize {
        self.pool.size()
    }
}

/// A pull looks, another program commits, and only then the sequencer looks for the first time.
#[tokio::test]
async fn what_came_before_the_first_look_wakes_as_well() {
    let Some(url) = database().await else { return };
    let gate = Arc::new(Semaphore::new(0));
    let pool = Gated { pool: PostgresPool::new(quick(&url)).unwrap(), gate: Arc::clone(&gate) };
    let server = Server::<App>::builder(pool).auth(authenticate).open().await.unwrap();
    let mut db = raw(&url).await;
    let held = hold(&server).await;
    // Its look has ended when it is held.
    db.batch("INSERT INTO notes VALUES ('00000000-0000-4000-8000-000000000001', 'raw', NULL)").await.unwrap();
    let started = Instant::now();
    gate.add_permits(8);
    assert_eq!(held.await.unwrap(), "raw");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}
