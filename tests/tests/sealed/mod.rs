//! Sealed columns, from the hand of one user to the eyes of another: nothing between them reads a word.

mod app;
mod border;
mod limits;
mod marker;
mod register;
mod rotation;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app::*;
use plasma::EnvelopeLimits;
use plasma::client::event::SendFailure;
use plasma::client::{Client, Headers, InProcess, SqliteStore};
use plasma::crypto::{Dek, KeyId, Keys};
use plasma::inputs::Entropy;
use plasma::prelude::*;
use plasma::server::Auth;

use crate::place::{Data, Place};

/// A server in this process, and everything that was said to it and by it.
struct Server {
    server: plasma::server::Server<App>,
    /// Bodies of requests and of answers, as text.
    said: Mutex<Vec<String>>,
    /// Changes the body of a push on its way.
    edit: Mutex<Option<Box<dyn Fn(&mut serde_json::Value) + Send>>>,
    data: Data,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn authenticate(parts: &http::request::Parts) -> plasma::Result<Auth<Caller>> {
    let user = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let user =
        user.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| plasma::Error::unauthorized("who?"))?;
    Ok(Auth::new(user, Caller { user: user.to_owned() }))
}

impl Server {
    /// None where there is no such database.
    async fn new(place: Place) -> Option<Arc<Self>> {
        Self::with(place, EnvelopeLimits::default()).await
    }

    async fn with(place: Place, limits: EnvelopeLimits) -> Option<Arc<Self>> {
        let data = place.data()?;
        let server = plasma::server::Server::<App>::builder(data.database()).auth(authenticate).envelope_limits(limits);
        let server = server.open().await.expect("opens");
        Some(Arc::new(Server { server, said: Mutex::default(), edit: Mutex::default(), data }))
    }

    /// A client of `user` that says it is `claims`.
    async fn open(
        self: &Arc<Self>,
        user: &'static str,
        claims: &str,
        store: SqliteStore,
        keys: Option<Arc<Keys>>,
    ) -> Client<App> {
        let server = Arc::clone(self);
        let transport = InProcess::new(move |mut request| {
            let server = Arc::clone(&server);
            async move {
                if let (true, Some(edit)) = (request.path.ends_with("/push"), &*lock(&server.edit)) {
                    let mut body = serde_json::from_slice(&request.body).expect("JSON");
                    edit(&mut body);
                    request.body = body.to_string().into();
                }
                lock(&server.said).push(String::from_utf8_lossy(&request.body).into_owned());
                let answer = server.server.respond(request).await;
                lock(&server.said).push(String::from_utf8_lossy(&answer.body).into_owned());
                Ok::<_, SendFailure>(answer)
            }
        });
        let mut builder =
            Client::<App>::builder(store).transport(transport).auth(move || async move { Ok(Headers::bearer(user)) });
        if let Some(keys) = keys {
            builder = builder.keyring(keys);
        }
        builder.ctx(Caller { user: claims.to_owned() }).group(user).open().await.expect("opens")
    }

    async fn client(self: &Arc<Self>, user: &'static str, keys: &Arc<Keys>) -> Client<App> {
        self.open(user, user, SqliteStore::in_memory(), Some(keys.clone())).await
    }
}

/// Different bytes at each call, the same in every run.
#[derive(Debug)]
struct Counter(u64);

impl Entropy for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

fn key(name: &str) -> KeyId {
    KeyId::new(name).expect("a name")
}

/// A keyring of these keys, each made of its name; the first is current.
fn keys(names: &[&str]) -> Arc<Keys> {
    let dek = |name: &str| Dek::generate(&mut Counter(name.bytes().fold(7, |sum, byte| sum * 31 + u64::from(byte))));
    let all = Keys::new(key(names[0]), dek(names[0]));
    for name in &names[1..] {
        all.insert(key(name), dek(name)).expect("a new key");
    }
    Arc::new(all)
}

fn plain(id: Id<Note>, body: &str) -> PlainAddNote {
    PlainAddNote { id, body: body.into(), labels: None, email: None, clear: None }
}

async fn sync(client: &Client<App>) {
    client.flush().await.expect("the server answers");
    client.pull_once().await.expect("the server answers");
}

/// What a client reads in a note.
async fn body(client: &Client<App>, id: Id<Note>) -> String {
    let note = client.need(id).await.expect("there");
    client.open(Note::body, id, &note.body).expect("opens")
}
