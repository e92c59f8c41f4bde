//! Servers of several versions over one database, and clients of several versions that reach one of them.

use std::path::Path;
use std::sync::{Arc, Mutex as Lock, PoisonError};

use plasma::ErrorKind;
use plasma::client::event::SendFailure;
use plasma::client::{Client, ClientBuilder, InProcess, OsEntropy, SqliteStore};
use plasma::protocol::{WireRequest, WireResponse};
use plasma::server::{Caller as Calling, ServerEngine, ServerOptions};
use plasma::store::SqlConnection;
use plasma::store::sqlite::SqliteConnection;
use plasma::value::{Kind, Row};
use serde_json::Value as Json;
use tokio::sync::Mutex;

use super::{Caller, Version};

/// Servers over one database. A request goes to any of them.
pub struct Fleet {
    db: Mutex<SqliteConnection>,
    /// Each with whether it runs.
    servers: Lock<Vec<(Arc<ServerEngine>, bool)>>,
    /// Which one is next: a generator of small random numbers.
    turn: Lock<u64>,
    /// What went over the wire.
    seen: Lock<Vec<(WireRequest, WireResponse)>>,
    /// So many more answers come back; none: all of them.
    answers: Lock<Option<usize>>,
}

fn lock<T>(lock: &Lock<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("before the year 292,000,000")
}

impl Fleet {
    /// One server of this version, over an empty database.
    pub async fn new<S: Version>() -> Arc<Self> {
        let fleet = Arc::new(Fleet {
            db: Mutex::new(SqliteConnection::in_memory().expect("memory")),
            servers: Lock::default(),
            turn: Lock::default(),
            seen: Lock::default(),
            answers: Lock::default(),
        });
        fleet.join::<S>().await;
        fleet
    }

    /// Starts a server of this version beside the others; the database is made to fit it.
    pub async fn join<S: Version>(&self) {
        let engine = ServerEngine::new(S::definition(), ServerOptions::default()).expect("a good definition");
        let mut db = self.db.lock().await;
        if engine.ensure_schema(&mut *db, now(), &mut OsEntropy).await.is_err() {
            let _ = SqlConnection::batch(&mut *db, "ALTER TABLE tasks ADD COLUMN note TEXT");
            if S::DEF.version == "3" {
                SqlConnection::batch(&mut *db, "ALTER TABLE tasks ADD COLUMN priority INTEGER NOT NULL DEFAULT 1")
                    .expect("altered");
            }
            let sql =
                format!("UPDATE _plasma_meta SET value = '{}' WHERE key = 'fingerprint'", S::DEF.fingerprint_hex());
            SqlConnection::batch(&mut *db, &sql).expect("noted");
            engine.ensure_schema(&mut *db, now(), &mut OsEntropy).await.expect("a schema that is older, or empty");
        }
        drop(db);
        lock(&self.servers).push((Arc::new(engine), true));
    }

    /// Stops the servers of other versions, and starts those of this one again.
    pub fn only<S: Version>(&self) {
        for (engine, runs) in lock(&self.servers).iter_mut() {
            *runs = engine.definition().schema.version == S::DEF.version;
        }
    }

    /// A server of this version takes the place of all others.
    pub async fn replace<S: Version>(&self) {
        self.join::<S>().await;
        self.only::<S>();
    }

    /// After so many more answers the network is down.
    pub fn answers(&self, count: Option<usize>) {
        *lock(&self.answers) = count;
    }

    pub async fn sql(&self, sql: &str) {
        SqlConnection::batch(&mut *self.db.lock().await, sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    pub async fn rows(&self, sql: &str, kinds: &[Kind]) -> Vec<Row> {
        let mut db = self.db.lock().await;
        SqlConnection::query(&mut *db, sql, &[], kinds).unwrap_or_else(|error| panic!("{error}: {sql}"))
    }

    async fn handle(&self, user: &str, request: WireRequest) -> Result<WireResponse, SendFailure> {
        let engine = {
            let servers = lock(&self.servers);
            let running: Vec<_> = servers.iter().filter(|(_, runs)| *runs).collect();
            let mut turn = lock(&self.turn);
            *turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Arc::clone(&running[(*turn >> 33) as usize % running.len()].0)
        };
        let caller = Calling { group: user.to_owned(), ctx: Arc::new(Caller { user: user.to_owned() }) };
        let mut db = self.db.lock().await;
        let answer = engine.handle(&mut *db, now(), &mut OsEntropy, Some(&caller), &request).await;
        lock(&self.seen).push((request, answer.clone()));
        match &mut *lock(&self.answers) {
            Some(0) => Err(SendFailure::new("the network is down")),
            Some(left) => {
                *left -= 1;
                Ok(answer)
            }
            None => Ok(answer),
        }
    }

    /// The pages that were sent since this was asked last.
    pub fn pages(&self) -> Vec<Json> {
        let seen = std::mem::take(&mut *lock(&self.seen));
        let pages = seen.iter().filter(|(request, answer)| request.path.ends_with("/pull") && answer.status == 200);
        pages.map(|(_, answer)| serde_json::from_slice(&answer.body).expect("JSON")).collect()
    }

    /// The operations of all pages since this was asked last.
    pub fn operations(&self) -> Vec<Json> {
        self.pages().iter().flat_map(|page| page["patch"].as_array().expect("a patch").clone()).collect()
    }

    /// The errors that were answered since this was asked last.
    pub fn refusals(&self) -> Vec<Json> {
        let seen = std::mem::take(&mut *lock(&self.seen));
        let refused = seen.iter().filter(|(_, answer)| answer.status != 200);
        refused.map(|(_, answer)| serde_json::from_slice(&answer.body).expect("JSON")).collect()
    }

    fn builder<S: Version>(self: &Arc<Self>, user: &'static str, store: SqliteStore) -> ClientBuilder<S> {
        let fleet = Arc::clone(self);
        let transport = InProcess::new(move |request| {
            let fleet = Arc::clone(&fleet);
            async move { fleet.handle(user, request).await }
        });
        Client::<S>::builder(store).transport(transport).ctx(Caller { user: user.to_owned() }).group(user)
    }

    /// A client of this version over a store of its own.
    pub async fn client<S: Version>(self: &Arc<Self>, user: &'static str) -> Client<S> {
        self.builder(user, SqliteStore::in_memory()).open().await.expect("open")
    }

    /// A client of this version over this file.
    pub async fn open<S: Version>(self: &Arc<Self>, user: &'static str, file: &Path) -> Client<S> {
        self.builder(user, SqliteStore::open(file)).open().await.expect("open")
    }

    /// The same, set up further.
    pub async fn open_with<S: Version>(
        self: &Arc<Self>,
        user: &'static str,
        file: &Path,
        more: impl FnOnce(ClientBuilder<S>) -> ClientBuilder<S>,
    ) -> Client<S> {
        more(self.builder(user, SqliteStore::open(file))).open().await.expect("open")
    }

    /// Why a client of this version cannot open this file.
    pub async fn cannot_open<S: Version>(self: &Arc<Self>, user: &'static str, file: &Path) -> (ErrorKind, Json) {
        let error = self.builder::<S>(user, SqliteStore::open(file)).open().await.map(drop).expect_err("it is refused");
        (error.kind(), error.data().cloned().unwrap_or_default())
    }
}
