//! Scenario `pull_catchup`, the server's half: 100,000 entries of the log (`PLASMA_BENCH_ENTRIES` says another number),
//! each of another row, in units of 100, pulled from a cookie in pages of 10,000: changes a second that are judged by the
//! policies, encoded and answered, without a network. On both databases.
//!
//! The floor is one statement that reads the images.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "a benchmark")]

mod util;

use std::time::Instant;

use plasma_runtime::protocol::{Method, WireRequest};
use plasma_runtime::server::{PostgresDatabase, Server, SqliteDatabase};
use plasma_test_postgres::{Database, Durability, Server as Postgres};
use rusqlite::params;
use util::http::{open, runtime};
use util::load::{LIST, NOW, engine};
use util::postgres::{TITLE, connect};
use util::schema::Bench;
use util::{Numbers, Samples, folder, rate, raw, rounds, timed};

const UNIT: usize = 100;
const PAGE: usize = 10_000;

fn entries() -> usize {
    std::env::var("PLASMA_BENCH_ENTRIES").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000)
}

fn main() {
    let runtime = runtime();
    let (mut plasma, mut floor) = (Samples::default(), Samples::default());
    let folder = folder();
    let path = folder.path().join("server.db");
    let cookie = {
        drop(engine(&path));
        let (server, cookie) = runtime.block_on(async {
            let server = open(SqliteDatabase::file(&path)).await;
            let cookie = pull(&server, None).await.0;
            (server, cookie)
        });
        fill(&path);
        for _ in 0..rounds(5) {
            plasma.push(runtime.block_on(catch_up(&server, &cookie)));
            floor.push(read(&path));
        }
        cookie
    };
    drop(cookie);
    rate(format!("pull_catchup, SQLite, {} entries", entries()), "changes/s", &plasma, &floor, None);
    let Some(postgres) = Postgres::start(Durability::Full) else {
        println!("no Postgres binaries: scripts/install-postgres");
        return;
    };
    let (mut plasma, mut floor) = (Samples::default(), Samples::default());
    let database = postgres.database();
    runtime.block_on(async {
        let server = open(PostgresDatabase::url(&database.url)).await;
        fill_postgres(&database, 0).await;
        let cookie = pull(&server, None).await.0;
        fill_postgres(&database, entries()).await;
        for _ in 0..rounds(5) {
            plasma.push(catch_up(&server, &cookie).await);
            floor.push(read_postgres(&database).await);
        }
    });
    rate(format!("pull_catchup, Postgres, {} entries", entries()), "changes/s", &plasma, &floor, None);
}

/// A page: its cookie, its operations, whether there are more.
async fn pull(server: &Server<Bench>, cookie: Option<&str>) -> (String, usize, bool) {
    let cookie = cookie.map(|cookie| format!("&cookie={cookie}")).unwrap_or_default();
    let request = WireRequest {
        method: Method::Get,
        path: "/sync/pull".to_owned(),
        query: format!("protocolVersion=1&schemaVersion=bench-1&clientGroupID=alice&clientID=one&limit={PAGE}{cookie}"),
        headers: vec![("authorization".to_owned(), "Bearer alice".to_owned())],
        body: "".into(),
    };
    let answer = server.respond(request).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    // Read by hand: the figure is the server's.
    let text = std::str::from_utf8(&answer.body).expect("text");
    let operations = text.matches(r#""op":"put""#).count();
    let member = |name: &str| text.split_once(name).expect("a member").1;
    let cookie = member(r#""cookie":""#).split('"').next().expect("a cookie").to_owned();
    (cookie, operations, member(r#""hasMore":"#).starts_with("true"))
}

/// Changes a second.
async fn catch_up(server: &Server<Bench>, cookie: &str) -> f64 {
    let (start, mut got, mut cookie) = (Instant::now(), 0, cookie.to_owned());
    loop {
        let (next, operations, more) = pull(server, Some(&cookie)).await;
        (cookie, got) = (next, got + operations);
        if !more {
            break;
        }
    }
    assert_eq!(got, entries());
    entries() as f64 / start.elapsed().as_secs_f64()
}

fn fill(path: &std::path::Path) {
    let db = raw(path, "NORMAL");
    let mut numbers = Numbers(3);
    db.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
    let mut insert = db
        .prepare("INSERT INTO todos (id, list_id, title, done, note, created_at) VALUES (?, ?, ?, 0, NULL, ?)")
        .expect("a statement");
    for row in 0..entries() {
        if row % UNIT == 0 {
            let origin = "UPDATE _plasma_origin SET client_group_id = 'bob', client_id = 'w', mutation_id = ?, mark = ?, now = ?";
            db.execute(origin, params![(row / UNIT) as i64, numbers.next() as i64, NOW]).expect("an origin");
        }
        insert.execute(params![numbers.id(), LIST, TITLE, NOW * 1_000]).expect("a row");
    }
    db.execute_batch(
        "UPDATE _plasma_origin SET client_group_id = NULL, client_id = NULL, mutation_id = NULL, mark = NULL, now = NULL; \
         COMMIT",
    )
    .expect("a commit");
}

async fn fill_postgres(database: &Database, rows: usize) {
    let db = connect(database).await;
    if rows == 0 {
        db.execute("INSERT INTO lists (id, name, owner) VALUES ($1, 'list', 'alice')", &[&LIST]).await.expect("a list");
    }
    let insert = "INSERT INTO todos (id, list_id, title, done, note, created_at) \
                  SELECT gen_random_uuid()::text, $1, $2, FALSE, NULL, $3 FROM generate_series(1, 100)";
    let insert = db.prepare(insert).await.expect("a statement");
    for _ in 0..rows / UNIT {
        db.execute(&insert, &[&LIST, &TITLE, &(NOW * 1_000)]).await.expect("rows");
    }
    db.batch_execute("ANALYZE").await.expect("statistics");
}

/// Images a second.
fn read(path: &std::path::Path) -> f64 {
    let db = raw(path, "NORMAL");
    let (elapsed, bytes) = timed(|| {
        let mut images =
            db.prepare("SELECT value FROM _plasma_changes ORDER BY row_version DESC LIMIT ?").expect("a query");
        let mut rows = images.query([entries() as i64]).expect("images");
        let mut bytes = 0;
        while let Some(row) = rows.next().expect("a row") {
            bytes += row.get_ref(0).expect("an image").as_str().expect("text").len();
        }
        bytes
    });
    assert!(bytes > 0);
    entries() as f64 / elapsed.as_secs_f64()
}

async fn read_postgres(database: &Database) -> f64 {
    let db = connect(database).await;
    let start = Instant::now();
    let sql = "SELECT value FROM _plasma_changes ORDER BY unit DESC, seq DESC LIMIT $1";
    let rows = db.query(sql, &[&(entries() as i64)]).await.expect("images");
    let bytes: usize = rows.iter().map(|row| row.get::<_, &str>(0).len()).sum();
    assert!(bytes > 0);
    entries() as f64 / start.elapsed().as_secs_f64()
}
