//! A server, three clients, and their clock. Everything is real: two SQLite files for every device and for the server,
//! and requests as they go over HTTP (`server.transport()` spares the socket).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use plasma::client::{Client, Clock, Headers, SqliteStore};
use plasma::future::BoxFuture;
use plasma::http::request::Parts;
use plasma::prelude::*;
use plasma::query::typed::ReadsIn;
use plasma::server::{Auth, Server, SqliteDatabase};

use crate::schema::{App, Branch, Caller, Person};

/// Who takes part, and what they hold.
#[derive(Debug)]
pub struct World {
    /// The server.
    pub server: Server<App>,
    /// Head office: branches and the catalogue.
    pub head: Client<App>,
    /// Ada, who runs Noord.
    pub ada: Client<App>,
    /// Ben, who repairs in both branches, and so sees both.
    pub ben: Client<App>,
    /// Dee, who runs Zuid.
    pub dee: Client<App>,
    /// A branch.
    pub noord: Id<Branch>,
    /// Another.
    pub zuid: Id<Branch>,
    /// The clock of all of them.
    pub clock: Hands,
}

/// A clock that is moved by hand, so that what is printed does not depend on the day.
#[derive(Debug, Clone)]
pub struct Hands(Arc<AtomicI64>);

impl Hands {
    /// Moves on.
    pub fn advance(&self, minutes: i64) {
        self.0.fetch_add(minutes * 60_000, Ordering::Relaxed);
    }
    fn millis(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Clock for Hands {
    fn now_ms(&self) -> i64 {
        self.millis()
    }
    #[expect(clippy::disallowed_methods, reason = "a program may wait")]
    fn sleep(&self, ms: u64) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(ms)))
    }
}

/// The row of a person, by the name that is also the token of this example.
pub fn person(name: &str) -> Id<Person> {
    Id::derive(name)
}

/// The caller behind a token. A real program checks a session or a signed token in `authenticate`.
pub fn caller(name: &str) -> Caller {
    match name {
        "head" => Caller { person: None, head_office: true },
        name => Caller { person: Some(person(name)), head_office: false },
    }
}

async fn authenticate(parts: &Parts) -> plasma::Result<Auth<Caller>> {
    let token = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let name = token.and_then(|token| token.strip_prefix("Bearer ")).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| plasma::Error::unauthorized("who are you?"))?;
    Ok(Auth::new(name, caller(name)))
}

impl World {
    /// Opens everything in a folder.
    ///
    /// # Errors
    /// When a file cannot be opened.
    pub async fn open(folder: &Path) -> plasma::Result<Self> {
        // Monday, 16 November 2026, 08:00 UTC.
        let clock = Hands(Arc::new(AtomicI64::new(1_794_816_000_000)));
        let hands = clock.clone();
        let server = Server::<App>::builder(SqliteDatabase::file(folder.join("server.db")))
            .auth(authenticate)
            .clock(move || hands.millis())
            .open()
            .await?;
        let open = async |name: &'static str| {
            Client::<App>::builder(SqliteStore::open(folder.join(format!("{name}.db"))))
                .transport(server.transport())
                .auth(move || async move { Ok(Headers::bearer(name)) })
                .group(name)
                .ctx(caller(name))
                .clock(clock.clone())
                .open()
                .await
        };
        let (head, ada, ben, dee) = (open("head").await?, open("ada").await?, open("ben").await?, open("dee").await?);
        let (noord, zuid) = (head.new_id(), head.new_id());
        Ok(World { server, head, ada, ben, dee, noord, zuid, clock })
    }

    /// Sends what a client has queued, and brings all of them up to date. Time passes.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn sync(&self) -> plasma::Result<()> {
        for client in self.clients() {
            client.flush().await?;
        }
        for client in self.clients() {
            client.pull_once().await?;
        }
        self.clock.advance(5);
        Ok(())
    }

    /// All clients.
    pub fn clients(&self) -> [&Client<App>; 4] {
        [&self.head, &self.ada, &self.ben, &self.dee]
    }

    /// The rows of a query, from Ben's device and from the server as Ben sees it: they must be the same rows.
    ///
    /// # Errors
    /// Those of the query, and when the two differ.
    pub async fn all<Q>(&self, query: Q) -> plasma::Result<Vec<Q::Row>>
    where
        Q: ReadsIn<App>,
        Q::Row: PartialEq + std::fmt::Debug + Send,
    {
        let here = self.ben.all(query.clone()).await?;
        let there = self.server.db().as_ctx(&caller("ben")).all(query).await?;
        if here == there {
            Ok(here)
        } else {
            Err(plasma::Error::internal(format!("the device says {here:?}, the server {there:?}")))
        }
    }
}
