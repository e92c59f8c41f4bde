//! Three small applications, written as their authors would: an issue tracker, encrypted notes, a point of sale. Each is
//! a schema with its policies and mutators, and a few days of its users over a server and devices with SQLite stores.

mod notes;
mod pos;
mod tracker;

use plasma::client::{Client, Clock, Headers, OutcomeStatus, SqliteStore};
use plasma::future::BoxFuture;
use plasma::http::request::Parts;
use plasma::prelude::*;
use plasma::server::{Auth, Server};
use plasma::{Error, Result};

use crate::place::{Data, Place};

/// A schema whose callers can be told by a name.
trait Application: Schema {
    fn caller(name: &str) -> Self::Ctx;
}

async fn authenticate<S: Application>(parts: &Parts) -> Result<Auth<S::Ctx>> {
    let name = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let name = name.and_then(|name| name.strip_prefix("Bearer ")).ok_or_else(|| Error::unauthorized("who are you?"))?;
    Ok(Auth::new(name, S::caller(name)))
}

/// A server and its data.
struct Hosted<S> {
    server: Server<S>,
    _data: Data,
}

impl<S> std::ops::Deref for Hosted<S> {
    type Target = Server<S>;
    fn deref(&self) -> &Server<S> {
        &self.server
    }
}

/// A server; none where there is no such database.
async fn server<S: Application>(place: Place) -> Option<Hosted<S>>
where
    S::Ctx: Clone + PartialEq + Send + Sync + std::fmt::Debug,
{
    let data = place.data()?;
    let server = Server::<S>::builder(data.database()).auth(authenticate::<S>).open().await.expect("the server opens");
    Some(Hosted { server, _data: data })
}

/// It is always noon, so that no test runs over midnight.
#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now_ms(&self) -> i64 {
        1_794_830_400_000
    }
    fn sleep(&self, ms: u64) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(std::time::Duration::from_millis(ms)))
    }
}

/// A device of somebody, with a store in memory.
async fn device<S: Application>(server: &Server<S>, name: &'static str) -> Client<S>
where
    S::Ctx: Clone + PartialEq + Send + Sync + std::fmt::Debug,
{
    Client::<S>::builder(SqliteStore::in_memory())
        .transport(server.transport())
        .auth(move || async move { Ok(Headers::bearer(name)) })
        .group(name)
        .ctx(S::caller(name))
        .clock(Noon)
        .open()
        .await
        .expect("the device opens")
}

/// Sends what is queued and brings the devices up to date.
async fn sync<S: Schema>(devices: &[&Client<S>]) {
    for device in devices {
        device.flush().await.expect("the server answers");
    }
    for device in devices {
        device.pull_once().await.expect("the server answers");
    }
}

/// The codes of what was rejected on this device, oldest first.
async fn rejected<S: Schema>(device: &Client<S>) -> Vec<String> {
    let outcomes = device.outcomes().await.expect("readable").into_iter();
    let rejected = outcomes.filter(|outcome| outcome.status == OutcomeStatus::Rejected);
    rejected.map(|outcome| outcome.error.expect("a rejection has a reason").code).collect()
}

/// The code a mutation is refused with: by the device where it holds what the rule asks about, else by the server.
async fn refused<S: Schema, M: plasma::mutate::RunsIn<S>>(device: &Client<S>, mutation: M) -> String {
    match device.mutate(mutation).await {
        Err(error) => error.code().to_owned(),
        Ok(queued) => {
            sync(&[device]).await;
            queued.acknowledged().await.expect_err("it is refused").code().to_owned()
        }
    }
}

/// The row of a person, by name.
fn named<T: Table>(name: &str) -> Id<T> {
    Id::derive(name)
}
