//! The application under test, as seen from both sides of a power loss: who serves it, who uses it, and what was done.

use std::path::Path;
use std::time::Duration;

use plasma::client::event::SendFailure;
use plasma::client::{Client, ClientBuilder, Durability, EngineOptions, Headers, InProcess, SqliteStore};
use plasma::protocol::{WireRequest, WireResponse};
use plasma::server::{Auth, Server, SqliteDatabase};
use plasma::store::SqlConnection as _;
use plasma::store::sqlite::{SqliteConnection, SqliteOptions};
use plasma::value::{Kind, Value};
use plasma::{Error, Result};
use serde_json::{Value as Json, json};

use crate::sim::schema::{App, Caller};

/// Ids of rows: those of the client under test are its mutations' numbers.
pub const NEIGHBOUR: u64 = 10_000;
pub const LATER: u64 = 20_000;

pub fn uuid(n: u64) -> String {
    format!("00000000-0000-4000-8000-{n:012x}")
}

/// The number behind an id of [`uuid`].
pub fn number(uuid: &str) -> u64 {
    u64::from_str_radix(&uuid[24..], 16).expect("an id of these tests")
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

async fn authenticate(parts: &http::request::Parts) -> Result<Auth<Caller>> {
    let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let user = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| Error::unauthorized("no token"))?;
    Ok(Auth::new(user, Caller { user: user.to_owned() }))
}

/// A server over a file.
pub async fn serve(file: &Path) -> Result<Server<App>> {
    Server::<App>::builder(SqliteDatabase::file(file)).auth(authenticate).compaction(None).open().await
}

/// Two accounts to move money between.
pub fn furnish(file: &Path) {
    let account = |n| format!("INSERT INTO accounts (id, balance) VALUES ('{}', {HALF})", uuid(n));
    raw(file).batch(&format!("{}; {}", account(ACCOUNTS), account(ACCOUNTS + 1))).expect("accounts");
}

const ACCOUNTS: u64 = 30_000;
const HALF: i64 = 1_000;
/// What the accounts hold together, always.
pub const MONEY: i64 = 2 * HALF;

/// A connection of another program, so to speak.
pub fn raw(file: &Path) -> SqliteConnection {
    SqliteConnection::open(file, SqliteOptions::default()).expect("a database opens")
}

pub fn integers(db: &mut SqliteConnection, sql: &str) -> Vec<i64> {
    let rows = db.query(sql, &[], &[Kind::BigInt]).unwrap_or_else(|error| panic!("{error}: {sql}"));
    rows.iter().filter_map(|row| row[0].as_int()).collect()
}

pub fn texts(db: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let rows = db.query(sql, &[], &[Kind::Text]).unwrap_or_else(|error| panic!("{error}: {sql}"));
    rows.into_iter()
        .filter_map(|mut row| match row.swap_remove(0) {
            Value::Text(text) => Some(text),
            _ => None,
        })
        .collect()
}

/// A client whose requests are answered by `answer`.
pub fn client<F>(
    store: SqliteStore,
    user: &'static str,
    durability: Durability,
    answer: impl Fn(WireRequest) -> F + Send + Sync + 'static,
) -> ClientBuilder<App>
where
    F: Future<Output = Result<WireResponse, SendFailure>> + Send + 'static,
{
    Client::<App>::builder(store)
        .engine_options(EngineOptions { page_limit: 10, ..EngineOptions::default() })
        .transport(InProcess::new(answer))
        .auth(move || async move { Ok(Headers::bearer(user)) })
        .ctx(Caller { user: user.to_owned() })
        .group(user)
        .durability(durability)
        .watch_file(None::<Duration>)
}

/// A client of this server.
pub async fn connected(
    store: SqliteStore,
    user: &'static str,
    durability: Durability,
    server: &Server<App>,
) -> Result<Client<App>> {
    let server = server.clone();
    let answer = move |request| {
        let server = server.clone();
        async move { Ok(server.respond(request).await) }
    };
    client(store, user, durability, answer).open().await
}

/// A client that reaches nobody.
pub async fn alone(file: &Path, durability: Durability) -> Result<Client<App>> {
    let nobody = |_| async { Err(SendFailure::new("there is no network")) };
    client(SqliteStore::open(file), "user0", durability, nobody).open().await
}

/// The mutation with this number: five kinds take turns.
pub fn mutation(n: u64) -> (&'static str, Json) {
    let step = json!({ "id": uuid(n) });
    match n % 5 {
        1 => ("lists.create", json!({ "step": step, "id": uuid(n), "name": format!("list {n}") })),
        2 => ("counters.hit", json!({ "step": step, "name": "hits" })),
        3 => transfer(n),
        4 => add(n, n - 3, None),
        // Somebody else has this slug, which only the server knows.
        _ => add(n, n - 4, Some(format!("taken {n}"))),
    }
}

/// Whether the server refuses it.
pub fn is_refused(n: u64) -> bool {
    n.is_multiple_of(5)
}

pub fn transfer(n: u64) -> (&'static str, Json) {
    let args = json!({ "step": { "id": uuid(n) }, "from": uuid(ACCOUNTS), "to": uuid(ACCOUNTS + 1), "amount": 1 });
    ("accounts.transfer", args)
}

fn add(n: u64, list: u64, slug: Option<String>) -> (&'static str, Json) {
    let step = json!({ "id": uuid(n) });
    ("todos.add", json!({ "step": step, "id": uuid(n), "list_id": uuid(list), "title": "to do", "slug": slug }))
}

/// Takes the slugs that [`mutation`] wants.
pub async fn settle_neighbour(client: &Client<App>) {
    let list = json!({ "step": { "id": uuid(NEIGHBOUR) }, "id": uuid(NEIGHBOUR), "name": "of a neighbour" });
    client.mutate_named("lists.create", &list).await.expect("applied");
    for n in (5..50).step_by(5) {
        let (name, args) = add(NEIGHBOUR + n, NEIGHBOUR, Some(format!("taken {n}")));
        client.mutate_named(name, &args).await.expect("applied");
    }
    sync(client).await;
}

/// Pushes and pulls until both went well.
///
/// # Panics
/// When they do not within a few tries.
pub async fn sync(client: &Client<App>) {
    for _ in 0..8 {
        let (pushed, pulled) = (client.flush().await, client.pull_once().await);
        if pushed.is_ok() && pulled.is_ok() {
            return;
        }
    }
    panic!("stuck: {:?}", client.status().get());
}

/// All rows that a client shows.
pub async fn rows(client: &Client<App>) -> Result<Vec<String>> {
    use plasma::prelude::*;

    use crate::sim::schema::{Account, Counter, Entry, List, Share, Todo};
    let mut all = Vec::new();
    macro_rules! every {
        ($($table:ident)*) => {$(
            let rows = client.all($table::select().order_by($table::id.asc())).await?;
            all.extend(rows.into_iter().map(|row| format!("{row:?}")));
        )*};
    }
    every!(List Todo Share Account Counter Entry);
    Ok(all)
}
