//! Mutations a second on Postgres, durable (`fsync` and `synchronous_commit` on), with 1, 8 and 32 clients that push one
//! mutation at a time; and what pulls read.
//!
//! Baselines, on the same tables with the same triggers, in the same run:
//! - a plain tokio-postgres program that runs the same statements, prepared, one connection a client;
//! - a single `INSERT` a transaction, as pgbench would: what this machine's Postgres commits at most.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::type_complexity,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark"
)]

mod util;

use std::sync::Arc;
use std::time::Instant;

use plasma::protocol::{Method, WireRequest};
use plasma::server::{Auth, PostgresDatabase, Server};
use plasma_test_postgres::{Database, Durability, Server as Postgres};
use tokio::sync::Barrier;
use tokio_postgres::{Client, NoTls, Statement};
use util::load::{LIST, Load, NOW, bodies};
use util::schema::{Bench, Ctx};
use util::{Numbers, Samples, rate, rounds};

/// Turns before the clock starts: connections, and what Postgres learns of each statement.
const WARM_UP: usize = 20;

const LOADS: [Load; 3] = [
    Load { what: "Postgres, 1 client, 1 mutation a push", clients: 1, size: 1, turns: 600 },
    Load { what: "Postgres, 8 clients, 1 mutation a push", clients: 8, size: 1, turns: 320 },
    Load { what: "Postgres, 32 clients, 1 mutation a push", clients: 32, size: 1, turns: 120 },
];

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let Some(postgres) = Postgres::start(Durability::Full) else {
        println!("no Postgres binaries: scripts/install-postgres");
        return;
    };
    for load in &LOADS {
        let (mut plasma, mut same, mut single) = (Samples::default(), Samples::default(), Samples::default());
        let count = (load.clients * load.size * (load.turns - WARM_UP)) as f64;
        for round in 0..rounds(5) {
            let (a, b, c) = (postgres.database(), postgres.database(), postgres.database());
            runtime.block_on(async {
                plasma.push(count / plasma_round(load, &a, round).await);
                same.push(count / raw_round(load, &b, true).await);
                single.push(count / raw_round(load, &c, false).await);
            });
        }
        rate(load.what, "mutations/s", &plasma, &same, Some(0.8));
        rate("  against one INSERT a transaction", "mutations/s", &plasma, &single, None);
    }
    runtime.block_on(pulls(&postgres.database()));
}

async fn authenticate(_: &http::request::Parts) -> plasma::Result<Auth<Ctx>> {
    Ok(Auth::new("alice", Ctx { user: "alice".to_owned() }))
}

/// A server with one list.
async fn server(database: &Database) -> Server<Bench> {
    let server = Server::<Bench>::builder(PostgresDatabase::url(&database.url)).auth(authenticate).open().await;
    let server = server.expect("a server");
    let raw = connect(database).await;
    raw.execute("INSERT INTO lists (id, name, owner) VALUES ($1, 'list', 'alice')", &[&LIST]).await.expect("a list");
    server
}

async fn connect(database: &Database) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.url, NoTls).await.expect("a connection");
    tokio::spawn(async move {
        // It ends with its client.
        let _ = connection.await;
    });
    client
}

fn request(method: Method, path: &str, query: String, body: String) -> WireRequest {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    WireRequest { method, path: path.to_owned(), query, headers, body: body.into() }
}

/// Seconds.
async fn plasma_round(load: &Load, database: &Database, round: usize) -> f64 {
    let server = server(database).await;
    let turns = Arc::new(bodies(load, round));
    let warm = Arc::new(Barrier::new(load.clients + 1));
    let clients: Vec<_> = (0..load.clients)
        .map(|client| {
            let (turns, server, warm) = (Arc::clone(&turns), server.clone(), Arc::clone(&warm));
            tokio::spawn(async move {
                for (index, turn) in turns.iter().enumerate() {
                    if index == WARM_UP {
                        warm.wait().await;
                    }
                    let push = request(Method::Post, "/sync/push", String::new(), turn[client].clone());
                    let answer = server.respond(push).await;
                    assert_eq!(answer.status, 200, "{:?}", answer.body);
                }
            })
        })
        .collect();
    warm.wait().await;
    let start = Instant::now();
    for client in clients {
        client.await.expect("a client");
    }
    let elapsed = start.elapsed().as_secs_f64();
    let raw = connect(database).await;
    let count: i64 = raw.query_one("SELECT count(*) FROM todos", &[]).await.expect("a count").get(0);
    assert_eq!(count as usize, load.clients * load.turns * load.size);
    elapsed
}

/// What a careful program prepares.
struct Statements {
    lock: Statement,
    locked: Statement,
    keys: Statement,
    unit: Statement,
    insert: Statement,
    finish: Statement,
    advance: Statement,
}

impl Statements {
    async fn prepare(db: &Client) -> Result<Self, tokio_postgres::Error> {
        Ok(Statements {
            lock: db
                .prepare(
                    "INSERT INTO _plasma_client_mutations (client_id, client_group_id, last_mutation_id, unit, seen_at) \
                     VALUES ($1, 'alice', 0, 0, $2) ON CONFLICT DO NOTHING",
                )
                .await?,
            locked: db
                .prepare("SELECT last_mutation_id FROM _plasma_client_mutations WHERE client_id = $1 FOR UPDATE")
                .await?,
            keys: db
                .prepare("SELECT status FROM _plasma_outcomes WHERE client_group_id = 'alice' AND key = $1")
                .await?,
            unit: db
                .prepare("SELECT set_config('plasma.unit', CAST(nextval('_plasma_seq') AS text), TRUE)")
                .await?,
            insert: db
                .prepare(
                    "INSERT INTO todos (id, list_id, title, done, note, created_at) VALUES ($1, $2, $3, FALSE, NULL, $4)",
                )
                .await?,
            finish: db
                .prepare(
                    "WITH ended AS (INSERT INTO _plasma_commits (unit, last_seq, created_at, client_group_id, client_id, \
                     mutation_id) VALUES (CAST(current_setting('plasma.unit') AS bigint), nextval('_plasma_seq'), $1, \
                     'alice', $2, $3) RETURNING unit) INSERT INTO _plasma_outcomes (client_id, mutation_id, \
                     client_group_id, key, status, unit, created_at) SELECT $2, $3, 'alice', $4, 'applied', ended.unit, \
                     $1 FROM ended RETURNING unit",
                )
                .await?,
            advance: db
                .prepare(
                    "UPDATE _plasma_client_mutations SET last_mutation_id = $2, unit = $3, seen_at = $4 \
                     WHERE client_id = $1",
                )
                .await?,
        })
    }

    async fn mutation(
        &self,
        db: &mut Client,
        client: &str,
        id: i64,
        numbers: &mut Numbers,
    ) -> Result<(), tokio_postgres::Error> {
        let (row, key) = (numbers.id(), numbers.id());
        let tx = db.transaction().await?;
        tx.execute(&self.lock, &[&client, &NOW]).await?;
        tx.query_one(&self.locked, &[&client]).await?;
        tx.query(&self.keys, &[&key]).await?;
        tx.query_one(&self.unit, &[]).await?;
        tx.execute(&self.insert, &[&row, &LIST, &TITLE, &(NOW * 1_000)]).await?;
        let unit: i64 = tx.query_one(&self.finish, &[&NOW, &client, &id, &key]).await?.get(0);
        tx.execute(&self.advance, &[&client, &id, &unit, &NOW]).await?;
        tx.commit().await
    }
}

const TITLE: &str = "Buy milk and bread, the good one";

/// Seconds. Without `ledger` one INSERT a transaction.
async fn raw_round(load: &Load, database: &Database, ledger: bool) -> f64 {
    drop(server(database).await);
    let mut connected = Vec::new();
    for client in 0..load.clients {
        let db = connect(database).await;
        let statements = Statements::prepare(&db).await.expect("statements");
        connected.push((db, statements, Numbers(1_000 + client as u64)));
    }
    let (turns, size) = (load.turns, load.size);
    let warm = Arc::new(Barrier::new(load.clients + 1));
    let clients: Vec<_> = connected
        .into_iter()
        .map(|(mut db, statements, mut numbers)| {
            let warm = Arc::clone(&warm);
            tokio::spawn(async move {
                let client = numbers.id();
                for id in 1..=(turns * size) as i64 {
                    if id == (WARM_UP * size) as i64 + 1 {
                        warm.wait().await;
                    }
                    if ledger {
                        statements.mutation(&mut db, &client, id, &mut numbers).await.expect("a mutation");
                    } else {
                        let row = numbers.id();
                        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
                            [&row, &LIST, &TITLE, &(NOW * 1_000)];
                        db.execute(&statements.insert, &params).await.expect("a row");
                    }
                }
            })
        })
        .collect();
    warm.wait().await;
    let start = Instant::now();
    for client in clients {
        client.await.expect("a client");
    }
    start.elapsed().as_secs_f64()
}

/// Pulls of a log of many entries, from its start: entries a second, next to reading their images with one statement.
async fn pulls(database: &Database) {
    let entries: i64 = std::env::var("PLASMA_BENCH_ENTRIES").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let server = server(database).await;
    let pull = async |cookie: Option<&str>| {
        let cookie = cookie.map(|cookie| format!("&cookie={cookie}")).unwrap_or_default();
        let query =
            format!("protocolVersion=1&schemaVersion=bench-1&clientGroupID=alice&clientID=one&limit=10000{cookie}");
        let answer = server.respond(request(Method::Get, "/sync/pull", query, String::new())).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        serde_json::from_slice::<serde_json::Value>(&answer.body).expect("a page")
    };
    let page = pull(None).await;
    let mut cookie = page["cookie"].as_str().expect("a cookie").to_owned();
    // Every row is written once, in transactions of 100: a difference and no snapshot while it spans at most 50,000.
    let raw = connect(database).await;
    let (mut written, mut plasma, mut plain) = (0, Samples::default(), Samples::default());
    while written < entries {
        let batch = 40_000.min(entries - written);
        for _ in 0..batch / 100 {
            let sql = format!(
                "INSERT INTO todos (id, list_id, title, done, note, created_at) \
                 SELECT gen_random_uuid()::text, '{LIST}', '{TITLE}', FALSE, NULL, {NOW} FROM generate_series(1, 100)"
            );
            raw.batch_execute(&sql).await.expect("rows");
        }
        written += batch;
        let (start, mut got) = (Instant::now(), 0);
        loop {
            let page = pull(Some(&cookie)).await;
            cookie = page["cookie"].as_str().expect("a cookie").to_owned();
            got += page["patch"].as_array().expect("operations").len();
            if page["hasMore"] == false {
                break;
            }
        }
        assert_eq!(got, batch as usize);
        plasma.push(batch as f64 / start.elapsed().as_secs_f64());
        let start = Instant::now();
        let sql = "SELECT value FROM _plasma_changes ORDER BY unit DESC, seq DESC LIMIT $1";
        let rows = raw.query(sql, &[&batch]).await.expect("images");
        let bytes: usize = rows.iter().map(|row| row.get::<_, &str>(0).len()).sum();
        std::hint::black_box(bytes);
        plain.push(batch as f64 / start.elapsed().as_secs_f64());
    }
    rate(format!("Postgres, pull of {entries} entries in pages of 10,000"), "entries/s", &plasma, &plain, None);
}
