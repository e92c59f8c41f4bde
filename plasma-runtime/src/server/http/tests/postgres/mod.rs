//! The server on a real Postgres.

mod faults;
mod held;
mod pokes;
mod races;
mod verdicts;

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::error::Result;
use crate::protocol::{Method, WireRequest, WireResponse};
use crate::server::http::builder::WithAuth;
use crate::server::http::tests::{authenticate, json_of, pull_query};
use crate::server::http::{PostgresDatabase, Server, ServerBuilder};
use crate::server::tests::fixture::{App, definition, mutation, push_body, uuid};
use crate::store::SqlExecutor;
use crate::store::postgres::{PostgresConnection, PostgresOptions, PostgresPool};
use crate::value::Kind;

/// A fresh database of the machine's Postgres; none when there is none.
async fn database() -> Option<String> {
    let made = tokio::task::spawn_blocking(|| plasma_test_postgres::database().map(|database| database.url));
    made.await.unwrap()
}

fn builder(options: PostgresOptions) -> ServerBuilder<App, WithAuth> {
    Server::<App>::builder(PostgresDatabase::options(options)).auth(authenticate)
}

/// Short waits: a test of one waits it out.
fn quick(url: &str) -> PostgresOptions {
    PostgresOptions { lock_timeout_ms: 1_000, statement_timeout_ms: 5_000, ..PostgresOptions::new(url) }
}

async fn open(url: &str) -> Server<App> {
    builder(quick(url)).open().await.unwrap()
}

/// Another program's connection.
async fn raw(url: &str) -> PostgresConnection {
    PostgresPool::new(PostgresOptions::new(url)).unwrap().get_own().await.unwrap()
}

async fn int(db: &mut PostgresConnection, sql: &str) -> i64 {
    db.query(sql, &[], &[Kind::BigInt]).await.unwrap()[0][0].as_int().unwrap()
}

async fn texts(db: &mut PostgresConnection, sql: &str) -> Vec<String> {
    let rows = db.query(sql, &[], &[Kind::Text]).await.unwrap();
    rows.into_iter().flatten().map(|value| value.as_text().unwrap_or("NULL").to_owned()).collect()
}

/// Waits until a question about the database has this answer.
async fn until(db: &mut PostgresConnection, sql: &str, expected: i64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let found = int(db, sql).await;
        if found == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{sql}: {found}, not {expected}");
        tokio::task::yield_now().await;
    }
}

/// How many of the database's sessions wait for a lock.
const WAITING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

fn push_request(user: &str, client: &str, mutations: Json) -> WireRequest {
    WireRequest {
        method: Method::Post,
        path: "/sync/push".to_owned(),
        query: String::new(),
        headers: vec![
            ("authorization".to_owned(), format!("Bearer {user}")),
            ("content-type".to_owned(), "application/json".to_owned()),
        ],
        body: push_body(user, client, mutations).to_string().into_bytes().into(),
    }
}

/// A push; the status and the body of the answer.
async fn push(server: &Server<App>, user: &str, client: &str, mutations: Json) -> (u16, Json) {
    let WireResponse { status, body, .. } = server.respond(push_request(user, client, mutations)).await;
    (status, json_of(&body))
}

/// A push that is repeated until it is answered with something else than 503.
async fn push_until_done(server: &Server<App>, user: &str, client: &str, mutations: Json) -> Json {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (status, body) = push(server, user, client, mutations.clone()).await;
        if status != 503 {
            assert_eq!(status, 200, "{body}");
            return body;
        }
        assert!(Instant::now() < deadline, "{body}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn pull_request(user: &str, more: &str) -> WireRequest {
    WireRequest {
        method: Method::Get,
        path: "/sync/pull".to_owned(),
        query: pull_query(user, more),
        headers: vec![("authorization".to_owned(), format!("Bearer {user}"))],
        body: Vec::new().into(),
    }
}

async fn pull(server: &Server<App>, user: &str, more: &str) -> (u16, Json) {
    let WireResponse { status, body, .. } = server.respond(pull_request(user, more)).await;
    (status, json_of(&body))
}

fn note(name: &str) -> Json {
    json!([["insert", "notes", { "id": uuid(name), "text": name, "tag": null }]])
}

/// What became of each mutation: its status, or the code it was rejected with.
fn ended(body: &Json) -> Vec<String> {
    let results = body["results"].as_array().cloned().unwrap_or_default();
    let text = |result: &Json| result["error"]["code"].as_str().or(result["status"].as_str()).unwrap().to_owned();
    results.iter().map(text).collect()
}

#[tokio::test]
async fn a_push_and_a_pull() -> Result<()> {
    let Some(url) = database().await else { return Ok(()) };
    let server = open(&url).await;
    let health =
        WireRequest { method: Method::Get, path: "/sync/health".to_owned(), ..push_request("a", "a", json!([])) };
    assert_eq!(server.respond(health).await.status, 200);
    let (status, body) = push(&server, "alice", "c", json!([mutation(1, "k1", note("one"))])).await;
    assert_eq!((status, ended(&body)), (200, vec!["applied".to_owned()]), "{body}");
    let (status, body) = push(&server, "alice", "c", json!([mutation(1, "k1", note("one"))])).await;
    assert_eq!((status, ended(&body)), (200, vec!["duplicate".to_owned()]), "{body}");
    let (status, body) = pull(&server, "alice", "").await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["patch"][1]["value"]["text"], "one", "{body}");
    // A second process on the database, with the first still running, and again after it.
    let second = open(&url).await;
    let (_, body) =
        push(&second, "alice", "c", json!([mutation(1, "k1", note("one")), mutation(2, "k2", note("two"))])).await;
    assert_eq!(ended(&body), ["duplicate", "applied"]);
    server.close();
    assert_eq!(push(&server, "alice", "c", json!([])).await.0, 503);
    assert_eq!(pull(&server, "alice", "").await.0, 503);
    assert_eq!(push(&second, "alice", "c", json!([])).await.0, 200);
    Ok(())
}

#[tokio::test]
async fn a_panic_while_a_statement_is_under_way_is_one_mutations_own() {
    let Some(url) = database().await else { return };
    let server = builder(quick(&url)).on_error(|_| {}).open().await.unwrap();
    let mutations = json!([
        mutation(1, "a", note("a")),
        mutation(2, "p", json!([note("lost")[0], ["panic while waiting"]])),
        mutation(3, "w", json!([note("lost too")[0], ["await"]])),
        mutation(4, "b", note("b"))
    ]);
    let (status, body) = push(&server, "alice", "c", mutations).await;
    assert_eq!((status, ended(&body).join(" ")), (200, "applied panic foreign-await applied".to_owned()), "{body}");
    let mut db = raw(&url).await;
    assert_eq!(texts(&mut db, "SELECT text FROM notes ORDER BY text").await, ["a", "b"]);
    assert_eq!(int(&mut db, "SELECT count(DISTINCT xid) FROM _plasma_commits WHERE client_id = 'c'").await, 1);
}

#[tokio::test]
async fn a_long_push_is_many_short_transactions() {
    let Some(url) = database().await else { return };
    let server = open(&url).await;
    let mutations: Vec<Json> = (1..=100).map(|id| mutation(id, &format!("k{id}"), note(&format!("n{id}")))).collect();
    let (status, body) = push(&server, "alice", "c", json!(mutations)).await;
    assert_eq!((status, body["lastMutationID"].as_u64()), (200, Some(100)), "{body}");
    assert_eq!(ended(&body), vec!["applied"; 100]);
    let mut db = raw(&url).await;
    assert_eq!(int(&mut db, "SELECT count(DISTINCT xid) FROM _plasma_commits WHERE client_id = 'c'").await, 4);
    // A gap far behind keeps what came before it.
    let mut mutations: Vec<Json> =
        (101..=150).map(|id| mutation(id, &format!("k{id}"), note(&format!("n{id}")))).collect();
    mutations.push(mutation(152, "k152", note("n152")));
    let (status, body) = push(&server, "alice", "c", json!(mutations)).await;
    assert_eq!((status, body["expected"].as_u64(), ended(&body).len()), (409, Some(151), 50), "{body}");
    assert_eq!(int(&mut db, "SELECT count(*) FROM notes").await, 150);
    // A fork far in front is found before anything runs.
    let mutations = json!([mutation(150, "another", note("x")), mutation(151, "k151", note("y"))]);
    assert_eq!(push(&server, "alice", "c", mutations).await.0, 409);
    assert_eq!(int(&mut db, "SELECT count(*) FROM notes").await, 150);
    assert_eq!(definition().schema.tables.len(), 6);
}
