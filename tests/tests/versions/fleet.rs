//! Servers of several versions over one database, and clients of several versions that reach one of them.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use plasma::ErrorKind;
use plasma::client::event::SendFailure;
use plasma::client::{Client, ClientBuilder, Headers, InProcess, SqliteStore};
use plasma::future::BoxFuture;
use plasma::protocol::{Method, WireRequest, WireResponse};
use plasma::server::{Auth, Server};
use serde_json::Value as Json;

use super::{Caller, Version};
use crate::place::{Data, Place};

type Answer = Box<dyn Fn(WireRequest) -> BoxFuture<'static, WireResponse> + Send + Sync>;

/// A server, its version forgotten.
struct Member {
    version: &'static str,
    answer: Answer,
    runs: bool,
}

/// Servers over one database. A request goes to any of them.
pub struct Fleet {
    members: Mutex<Vec<Arc<Member>>>,
    /// Which one is next: a generator of small random numbers.
    turn: Mutex<u64>,
    /// What went over the wire.
    seen: Mutex<Vec<(WireRequest, WireResponse)>>,
    /// So many more answers come back; none: all of them.
    answers: Mutex<Option<usize>>,
    pub data: Data,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn authenticate(parts: &http::request::Parts) -> plasma::Result<Auth<Caller>> {
    let user = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let user =
        user.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| plasma::Error::unauthorized("who?"))?;
    Ok(Auth::new(user, Caller { user: user.to_owned() }))
}

impl Fleet {
    /// One server of this version, over an empty database; none where there is no such database.
    pub async fn new<S: Version>(place: Place) -> Option<Arc<Self>> {
        // The blocking client that makes it has a runtime of its own, which may not start inside another.
        let data = std::thread::spawn(move || place.data()).join().expect("a database")?;
        let fleet = Arc::new(Fleet {
            members: Mutex::default(),
            turn: Mutex::default(),
            seen: Mutex::default(),
            answers: Mutex::default(),
            data,
        });
        fleet.join::<S>().await;
        Some(fleet)
    }

    /// Starts a server of this version beside the others; it makes the database fit.
    pub async fn join<S: Version>(&self) {
        let server = Server::<S>::builder(self.data.database()).auth(authenticate).open().await;
        let server = server.expect("it adds what the database lacks");
        let answer: Answer = Box::new(move |request| {
            let server = server.clone();
            Box::pin(async move { server.respond(request).await })
        });
        lock(&self.members).push(Arc::new(Member { version: S::DEF.version, answer, runs: true }));
    }

    /// Stops the servers of other versions, and starts those of this one again.
    pub fn only<S: Version>(&self) {
        for member in lock(&self.members).iter_mut() {
            let runs = member.version == S::DEF.version;
            Arc::get_mut(member).expect("no request is under way").runs = runs;
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

    async fn handle(&self, request: WireRequest) -> Result<WireResponse, SendFailure> {
        let member = {
            let members = lock(&self.members);
            let running: Vec<_> = members.iter().filter(|member| member.runs).collect();
            let mut turn = lock(&self.turn);
            *turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Arc::clone(running[(*turn >> 33) as usize % running.len()])
        };
        let answer = (member.answer)(request.clone()).await;
        drop(member);
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

    /// One page as version `S` asks for it.
    pub async fn page<S: Version>(&self, user: &str, cookie: Option<&str>, limit: u32) -> Json {
        let cookie = cookie.map(|cookie| format!("&cookie={cookie}")).unwrap_or_default();
        let (version, fingerprint) = (S::DEF.version, S::DEF.fingerprint_hex());
        let request = WireRequest {
            method: Method::Get,
            path: "/sync/pull".to_owned(),
            query: format!(
                "protocolVersion=1&schemaVersion={version}&fingerprint={fingerprint}&clientGroupID={user}\
                 &clientID=by-hand&limit={limit}{cookie}"
            ),
            headers: vec![("authorization".to_owned(), format!("Bearer {user}"))],
            body: Default::default(),
        };
        let answer = self.handle(request).await.expect("the network is up");
        serde_json::from_slice(&answer.body).expect("JSON")
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
            async move { fleet.handle(request).await }
        });
        let builder = Client::<S>::builder(store).transport(transport).ctx(Caller { user: user.to_owned() });
        builder.auth(move || async move { Ok(Headers::bearer(user)) }).group(user)
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
