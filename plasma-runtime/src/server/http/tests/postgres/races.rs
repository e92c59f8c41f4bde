//! Pushes at once.

use serde_json::{Value as Json, json};

use super::{WAITING, builder, database, ended, int, note, open, push, push_until_done, quick, raw, texts, until};
use crate::server::http::Server;
use crate::server::tests::fixture::{App, mutation, uuid};
use crate::server::{Concurrency, Isolation};
use crate::store::SqlExecutor;
use crate::store::postgres::PostgresOptions;

#[tokio::test]
async fn pushes_of_one_client_at_once_run_each_mutation_once() {
    let Some(url) = database().await else { return };
    let servers = [open(&url).await, open(&url).await];
    let all = |range: std::ops::RangeInclusive<u64>| -> Json {
        range.map(|id| mutation(id, &format!("k{id}"), note(&format!("n{id}")))).collect()
    };
    let tasks: Vec<_> = (0..6)
        .map(|n| {
            let (server, all) = (servers[n % 2].clone(), all(1..=70));
            tokio::spawn(async move { push_until_done(&server, "alice", "c", all).await })
        })
        .collect();
    let mut applied = 0;
    for task in tasks {
        let body = task.await.unwrap();
        assert_eq!(body["lastMutationID"], 70);
        let ids: Vec<u64> = body["results"].as_array().unwrap().iter().filter_map(|r| r["id"].as_u64()).collect();
        assert_eq!(ids, (1..=70).collect::<Vec<u64>>());
        applied += ended(&body).iter().filter(|status| *status == "applied").count();
    }
    assert_eq!(applied, 70, "each answer that says `applied` is another mutation's");
    let mut db = raw(&url).await;
    assert_eq!(int(&mut db, "SELECT count(*) FROM notes").await, 70);
    assert_eq!(int(&mut db, "SELECT count(*) FROM _plasma_changes WHERE op = 'put'").await, 70);
}

#[tokio::test]
async fn one_key_under_many_client_ids_at_once_runs_once() {
    let Some(url) = database().await else { return };
    let servers = [open(&url).await, open(&url).await];
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let server = servers[n % 2].clone();
            tokio::spawn(async move {
                let mutations = (1..=10).map(|id| mutation(id, &format!("k{id}"), note(&format!("n{id}")))).collect();
                ended(&push_until_done(&server, "alice", &format!("c{n}"), mutations).await)
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    assert_eq!(all.iter().filter(|status| *status == "applied").count(), 10, "{all:?}");
    assert_eq!(all.iter().filter(|status| *status == "duplicate").count(), 70, "{all:?}");
    let mut db = raw(&url).await;
    assert_eq!(int(&mut db, "SELECT count(*) FROM notes").await, 10);
}

/// Two mutators, each of which counts the notes and writes one where it counted none. Both have counted before either
/// writes: a row of another program holds them up.
async fn both_count_and_write(server: &Server<App>, url: &str) -> Vec<String> {
    let lists = json!([
        ["insert", "lists", { "id": uuid("g0"), "name": "gate", "owner": "user0", "slug": null }],
        ["insert", "lists", { "id": uuid("g1"), "name": "gate", "owner": "user1", "slug": null }]
    ]);
    let made = json!([mutation(
        1,
        "lists",
        json!([["trusted insert", "lists", lists[0][2]], ["trusted insert", "lists", lists[1][2]]])
    )]);
    assert_eq!(ended(&push(server, "maker", "m", made).await.1), ["applied"]);
    let mut gate = raw(url).await;
    gate.batch("BEGIN; SELECT * FROM lists FOR UPDATE").await.unwrap();
    let tasks: Vec<_> = (0..2)
        .map(|n| {
            let server = server.clone();
            tokio::spawn(async move {
                let user = format!("user{n}");
                let steps = json!([
                    ["reads", "notes", 0],
                    ["update", "lists", uuid(&format!("g{n}")), { "name": "passed" }],
                    ["insert", "notes", { "id": uuid(&user), "text": user, "tag": null }]
                ]);
                ended(&push_until_done(&server, &user, &user, json!([mutation(1, &user, steps)])).await)
            })
        })
        .collect();
    let mut db = raw(url).await;
    until(&mut db, WAITING, 2).await;
    gate.batch("ROLLBACK").await.unwrap();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all.sort();
    all
}

#[tokio::test]
async fn a_mutator_means_what_it_means_alone() {
    let Some(url) = database().await else { return };
    let server = open(&url).await;
    // The second is run again, counts one, and says so (by a panic).
    assert_eq!(both_count_and_write(&server, &url).await, ["applied", "panic"]);
    let mut db = raw(&url).await;
    assert_eq!(int(&mut db, "SELECT count(*) FROM notes").await, 1);
}

#[tokio::test]
async fn a_weaker_isolation_is_weaker() {
    for isolation in [Isolation::RepeatableRead, Isolation::ReadCommitted] {
        let Some(url) = database().await else { return };
        let concurrency = Concurrency { isolation, ..Concurrency::default() };
        let server = builder(quick(&url)).concurrency(concurrency).open().await.unwrap();
        assert_eq!(both_count_and_write(&server, &url).await, ["applied", "applied"], "{isolation:?}");
    }
}

/// The losers of two servers were in each other's way for ever: what one server does in turn, the other knows nothing of.
#[tokio::test]
async fn one_that_lost_three_times_makes_the_pushes_of_all_servers_wait() {
    let Some(url) = database().await else { return };
    let server = open(&url).await;
    let mut db = raw(&url).await;
    // A sequence remembers what is rolled back.
    db.batch(
        "CREATE SEQUENCE tries; CREATE TABLE modes (mode text); \
         CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF nextval('tries') <= 3 THEN RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END IF; \
         INSERT INTO modes SELECT mode FROM pg_locks \
         WHERE pid = pg_backend_pid() AND relation = '_plasma_meta'::regclass; RETURN NEW; END $$; \
         CREATE TRIGGER lose BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION lose()",
    )
    .await
    .unwrap();
    for (name, mode) in [("a", "ExclusiveLock"), ("b", "RowShareLock")] {
        db.batch("DELETE FROM modes").await.unwrap();
        assert_eq!(ended(&push(&server, "alice", name, json!([mutation(1, name, note(name))])).await.1), ["applied"]);
        let held = texts(&mut db, "SELECT mode FROM modes WHERE mode IN ('ExclusiveLock', 'RowShareLock')").await;
        assert_eq!(held, [mode], "the push of {name}");
    }
}

#[tokio::test]
async fn a_deadlock_is_run_again() {
    let Some(url) = database().await else { return };
    // The wait for a lock must be longer than the time after which Postgres looks for deadlocks, a second.
    let options = PostgresOptions { lock_timeout_ms: 10_000, ..quick(&url) };
    let server = builder(options).open().await.unwrap();
    let notes: Json = ["a", "b", "ga", "gb"].iter().map(|name| note(name)[0].clone()).collect();
    assert_eq!(ended(&push(&server, "m", "m", json!([mutation(1, "m", notes)])).await.1), ["applied"]);
    let mut gate = raw(&url).await;
    gate.batch("BEGIN; SELECT * FROM notes WHERE text IN ('ga', 'gb') FOR UPDATE").await.unwrap();
    let tasks: Vec<_> = [("a", "ga", "b"), ("b", "gb", "a")]
        .into_iter()
        .map(|(first, gate, second)| {
            let server = server.clone();
            tokio::spawn(async move {
                let update =
                    |name: &str| json!(["update", "notes", uuid(name), { "tag": format!("{name} by {first}") }]);
                let steps = json!([update(first), update(gate), update(second)]);
                let (status, body) = push(&server, first, first, json!([mutation(1, first, steps)])).await;
                assert_eq!(status, 200, "the client was asked to send again: {body}");
                ended(&body)
            })
        })
        .collect();
    let mut db = raw(&url).await;
    until(&mut db, WAITING, 2).await;
    gate.batch("ROLLBACK").await.unwrap();
    for task in tasks {
        assert_eq!(task.await.unwrap(), ["applied"]);
    }
    // One after the other, whichever came first.
    let tags = texts(&mut db, "SELECT tag FROM notes WHERE text IN ('a', 'b') ORDER BY text").await;
    assert!(tags == ["a by a", "b by a"] || tags == ["a by b", "b by b"], "{tags:?}");
}

#[tokio::test]
async fn many_that_want_one_row_all_come_through() {
    let Some(url) = database().await else { return };
    let server = open(&url).await;
    assert_eq!(ended(&push(&server, "m", "m", json!([mutation(1, "m", note("hot"))])).await.1), ["applied"]);
    let tasks: Vec<_> = (0..24)
        .map(|n| {
            let server = server.clone();
            tokio::spawn(async move {
                let user = format!("u{n}");
                let mut refused = 0;
                for id in 1..=3 {
                    let steps = json!([["update", "notes", uuid("hot"), { "tag": format!("{user} {id}") }]]);
                    let one = json!([mutation(id, &format!("{user} {id}"), steps)]);
                    loop {
                        let (status, body) = push(&server, &user, &user, one.clone()).await;
                        if status == 200 {
                            assert_eq!(ended(&body), ["applied"]);
                            break;
                        }
                        assert_eq!(status, 503, "{body}");
                        refused += 1;
                    }
                }
                refused
            })
        })
        .collect();
    let mut refused = 0;
    for task in tasks {
        refused += task.await.unwrap();
    }
    let mut db = raw(&url).await;
    assert_eq!(int(&mut db, "SELECT count(*) FROM _plasma_changes WHERE op = 'put'").await, 1 + 72);
    assert!(refused <= 7, "{refused} of 72 pushes were refused although the row was never held for long");
}
