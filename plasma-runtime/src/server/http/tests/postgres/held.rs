//! Rows that are held, connections that are taken, requests that nobody waits for any more.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{
    WAITING, builder, database, ended, int, note, pull, pull_request, push, push_request, push_until_done, quick, raw,
    texts, until,
};
use crate::server::tests::fixture::{mutation, uuid};
use crate::store::SqlExecutor;
use crate::store::postgres::PostgresOptions;

#[tokio::test]
async fn an_exhausted_pool_is_overloaded_within_a_bound() {
    let Some(url) = database().await else { return };
    let options = PostgresOptions { pool_size: 2, lock_timeout_ms: 0, wait_timeout_ms: 300, ..quick(&url) };
    let server = builder(options).wait_for_connection(Duration::from_millis(300)).open().await.unwrap();
    assert_eq!(ended(&push(&server, "m", "m", json!([mutation(1, "m", note("held"))])).await.1), ["applied"]);
    let mut holder = raw(&url).await;
    holder.batch("BEGIN; SELECT * FROM notes FOR UPDATE").await.unwrap();
    let update = |user: &str| json!([mutation(1, user, json!([["update", "notes", uuid("held"), { "tag": user }]]))]);
    let waiting: Vec<_> = ["a", "b"]
        .map(|user| {
            let (server, update) = (server.clone(), update(user));
            tokio::spawn(async move { push_until_done(&server, user, user, update).await })
        })
        .into();
    let mut db = raw(&url).await;
    // Both connections are taken, and stay so.
    until(&mut db, WAITING, 2).await;
    let asks = || [push_request("c", "c", update("c")), pull_request("dora", "")];
    for request in asks() {
        let began = Instant::now();
        let response = server.respond(request).await;
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
        assert_eq!(super::json_of(&response.body)["error"], "overloaded");
    }
    holder.batch("ROLLBACK").await.unwrap();
    for push in waiting {
        assert_eq!(ended(&push.await.unwrap()), ["applied"]);
    }
    for request in asks() {
        assert_eq!(server.respond(request).await.status, 200, "it has recovered");
    }
}

#[tokio::test]
async fn a_row_that_is_held_for_long_stops_those_that_want_it_and_nobody_else() {
    let Some(url) = database().await else { return };
    let server =
        builder(PostgresOptions { lock_timeout_ms: 200, ..quick(&url) }).on_error(|_| {}).open().await.unwrap();
    assert_eq!(ended(&push(&server, "m", "m", json!([mutation(1, "m", note("held"))])).await.1), ["applied"]);
    let mut holder = raw(&url).await;
    holder.batch("BEGIN; SELECT * FROM notes FOR UPDATE").await.unwrap();
    let wants = json!([
        mutation(1, "before", note("before")),
        mutation(2, "wants", json!([["update", "notes", uuid("held"), { "tag": "mine" }]])),
        mutation(3, "after", note("after"))
    ]);
    for _ in 0..7 {
        // More often than a fault may be met: that somebody holds the row says nothing about the mutation.
        let (status, body) = push(&server, "alice", "c", wants.clone()).await;
        assert_eq!((status, body["error"].as_str()), (503, Some("unavailable")), "{body}");
        assert_eq!(push(&server, "bob", "b", json!([mutation(1, "b", note("b"))])).await.0, 200);
        assert_eq!(pull(&server, "bob", "").await.0, 200);
    }
    let mut db = raw(&url).await;
    // What comes before it did not wait for it.
    assert_eq!(texts(&mut db, "SELECT text FROM notes ORDER BY text").await, ["b", "before", "held"]);
    holder.batch("COMMIT").await.unwrap();
    let (status, body) = push(&server, "alice", "c", wants).await;
    assert_eq!((status, ended(&body)), (200, vec!["duplicate".into(), "applied".into(), "applied".into()]), "{body}");
}

#[tokio::test]
async fn a_request_that_is_dropped_leaves_nothing_half_done() {
    let Some(url) = database().await else { return };
    let server = builder(PostgresOptions { lock_timeout_ms: 0, ..quick(&url) }).open().await.unwrap();
    assert_eq!(ended(&push(&server, "m", "m", json!([mutation(1, "m", note("held"))])).await.1), ["applied"]);
    let mut holder = raw(&url).await;
    holder.batch("BEGIN; SELECT * FROM notes FOR UPDATE").await.unwrap();
    let wants = json!([mutation(1, "wants", json!([["update", "notes", uuid("held"), { "tag": "mine" }]]))]);
    let pushing = {
        let (server, request) = (server.clone(), push_request("alice", "c", wants.clone()));
        tokio::spawn(async move { server.respond(request).await })
    };
    let mut db = raw(&url).await;
    until(&mut db, WAITING, 1).await;
    pushing.abort();
    assert!(pushing.await.is_err());
    holder.batch("COMMIT").await.unwrap();
    // It goes on without anybody to answer; the retry finds it done.
    until(&mut db, "SELECT count(*) FROM _plasma_outcomes WHERE client_id = 'c'", 1).await;
    until(&mut db, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'", 0).await;
    assert_eq!(ended(&push(&server, "alice", "c", wants).await.1), ["duplicate"]);
}

/// Another program's transaction that has written and stays open: for 30 s in a deep run.
#[tokio::test]
async fn a_transaction_that_is_left_open_is_in_the_way_of_its_rows_and_nobody_else() {
    let Some(url) = database().await else { return };
    let options = || PostgresOptions { lock_timeout_ms: 300, ..quick(&url) };
    let (one, two) =
        (builder(options()).on_error(|_| {}).open().await.unwrap(), builder(options()).open().await.unwrap());
    assert_eq!(ended(&push(&one, "m", "m", json!([mutation(1, "m", note("held"))])).await.1), ["applied"]);
    let (mut open, mut looks) = (raw(&url).await, raw(&url).await);
    let id = uuid("raw");
    open.batch(&format!("BEGIN; UPDATE notes SET tag = 'raw'; INSERT INTO notes VALUES ('{id}', 'raw', NULL)"))
        .await
        .unwrap();
    looks.batch("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM notes").await.unwrap();
    let wants = json!([mutation(1, "wants", json!([["update", "notes", uuid("held"), { "tag": "mine" }]]))]);
    let began = Instant::now();
    let least = Duration::from_secs(if std::env::var_os("PLASMA_DEEP").is_some() { 30 } else { 2 });
    let texts_of = |body: &serde_json::Value| -> Vec<String> {
        let patch = body["patch"].as_array().unwrap();
        patch.iter().filter_map(|one| one["value"]["text"].as_str().map(str::to_owned)).collect()
    };
    let (mut cookie, mut slowest, mut round) = (String::new(), Duration::ZERO, 0);
    while began.elapsed() < least {
        round += 1;
        // Who wants the row is told within the bound, and is no more than that in the way of others.
        let wanting = {
            let (server, wants) = (one.clone(), wants.clone());
            tokio::spawn(async move {
                let asked = Instant::now();
                let (status, _) = push(&server, "alice", "c", wants).await;
                (status, asked.elapsed())
            })
        };
        let name = format!("bob {round}");
        let asked = Instant::now();
        let (from, to) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
        assert_eq!(ended(&push(from, "bob", "b", json!([mutation(round, &name, note(&name))])).await.1), ["applied"]);
        let (status, body) = pull(to, "dora", &format!("&limit=10000{cookie}")).await;
        slowest = slowest.max(asked.elapsed());
        assert_eq!(status, 200, "{body}");
        let seen = texts_of(&body);
        assert!(seen.contains(&name) && !seen.contains(&"raw".to_owned()), "{seen:?}");
        cookie = format!("&cookie={}", body["cookie"].as_str().unwrap());
        let (status, took) = wanting.await.unwrap();
        assert_eq!(status, 503);
        assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(3), "{took:?}");
    }
    assert!(slowest < Duration::from_secs(3), "others waited for {slowest:?}");
    open.batch("COMMIT").await.unwrap();
    let (_, body) = pull(&two, "dora", &format!("&limit=10000{cookie}")).await;
    let mut seen = texts_of(&body);
    seen.sort();
    assert_eq!(seen, ["held", "raw"], "its rows, once it has committed");
    assert_eq!(ended(&push(&one, "alice", "c", wants).await.1), ["applied"]);
}

#[tokio::test]
async fn a_request_that_is_dropped_before_its_turn_is_never_begun() {
    let Some(url) = database().await else { return };
    let server = builder(PostgresOptions { lock_timeout_ms: 0, ..quick(&url) }).open().await.unwrap();
    assert_eq!(ended(&push(&server, "m", "m", json!([mutation(1, "m", note("held"))])).await.1), ["applied"]);
    let mut holder = raw(&url).await;
    holder.batch("BEGIN; SELECT * FROM notes FOR UPDATE").await.unwrap();
    let first = mutation(1, "wants", json!([["update", "notes", uuid("held"), { "tag": "mine" }]]));
    let both = json!([first, mutation(2, "second", note("second"))]);
    let mut waiting = Vec::new();
    for mutations in [json!([first]), both.clone()] {
        let request = push_request("alice", "c", mutations);
        let server = server.clone();
        waiting.push(tokio::spawn(async move { server.respond(request).await }));
        until(&mut raw(&url).await, WAITING, 1).await;
    }
    // It has had its chance to come to its place in the queue.
    let mut db = raw(&url).await;
    for _ in 0..20 {
        int(&mut db, "SELECT count(*) FROM notes").await;
    }
    let second = waiting.pop().unwrap();
    second.abort();
    assert!(second.await.is_err());
    holder.batch("ROLLBACK").await.unwrap();
    assert_eq!(waiting.pop().unwrap().await.unwrap().status, 200);
    assert_eq!(ended(&push(&server, "alice", "c", both).await.1), ["duplicate", "applied"]);
}
