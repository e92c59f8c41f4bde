//! Compaction of a long change log (1,000,000 entries; `PLASMA_BENCH_ROWS` says another number) while the server is at
//! work: a client pushes and pulls all the time. Told are the p99 of pulls and of pushes with and without the compaction
//! beside them, how long it took, and the longest time it held the writer.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "a benchmark")]

mod util;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use plasma::Schema as _;
use plasma_runtime::protocol::{Method, PullResponse, WireRequest};
use plasma_runtime::server::{Auth, CompactionOptions, Server, SqliteDatabase};
use util::load::{LIST, engine};
use util::schema::{Bench, Ctx};
use util::{Numbers, Samples, folder, micros};

fn rows() -> usize {
    std::env::var("PLASMA_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000)
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let folder = folder();
    let path = folder.path().join("server.db");
    fill(&path, rows());
    runtime.block_on(measure(&path));
}

/// The log: each entry a unit of its own, as mutations make them.
fn fill(path: &Path, rows: usize) {
    let (_, db) = engine(path);
    let db = db.connection();
    let mut numbers = Numbers(7);
    let mut insert = db
        .prepare(
            "INSERT INTO _plasma_changes (table_name, row_id, op, value, created_at, client_group_id, client_id, \
             mutation_id, mark) VALUES ('todos', ?1, 'put', ?2, 1, 'alice', 'c', ?3, random())",
        )
        .expect("a log");
    let value = format!("{{\"id\":\"{LIST}\",\"title\":\"{}\"}}", "x".repeat(160));
    for chunk in 0..rows.div_ceil(10_000) {
        db.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
        for n in chunk * 10_000..((chunk + 1) * 10_000).min(rows) {
            insert.execute(rusqlite::params![numbers.id(), value, n as i64 + 1]).expect("an entry");
        }
        db.execute_batch("COMMIT").expect("a commit");
    }
}

async fn authenticate(_: &http::request::Parts) -> plasma::Result<Auth<Ctx>> {
    Ok(Auth::new("alice", Ctx { user: "alice".to_owned() }))
}

async fn measure(path: &Path) {
    let server = Server::<Bench>::builder(SqliteDatabase::file(path))
        .auth(authenticate)
        .compaction(None)
        .open()
        .await
        .expect("a server");
    let alone = serve(&server, Until::Time(Duration::from_secs(5)), 0).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (at_work, compacted) = tokio::join!(
        {
            let stop = Arc::clone(&stop);
            let server = server.clone();
            async move { serve(&server, Until::Told(stop), 1).await }
        },
        {
            let server = server.clone();
            async move {
                let started = Instant::now();
                let options = CompactionOptions::default().keep_ms(0).keep_entries(1_000).keep_folded(0).lease_ms(0);
                let done = server.compact_change_log(options).await.expect("a compaction");
                stop.store(true, Ordering::Relaxed);
                (done, started.elapsed())
            }
        }
    );
    let (done, took) = compacted;
    println!("compaction of {} entries ({} removed) while serving", done.scanned, done.removed);
    println!(
        "  {:.1} s, {:.0} entries/s, {} steps",
        took.as_secs_f64(),
        done.scanned as f64 / took.as_secs_f64(),
        done.steps
    );
    println!("  longest hold of the writer {:.1} ms", done.longest_step.as_secs_f64() * 1e3);
    for (what, at) in [("pull", 0), ("push", 1)] {
        println!(
            "  {what} p50 / p99 ms: without {:.2} / {:.2}, with {:.2} / {:.2}",
            alone[at].median() / 1e3,
            alone[at].quantile(0.99) / 1e3,
            at_work[at].median() / 1e3,
            at_work[at].quantile(0.99) / 1e3,
        );
    }
}

enum Until {
    Time(Duration),
    Told(Arc<AtomicBool>),
}

/// Pushes one mutation and pulls it, again and again: the times of pulls and of pushes, in microseconds.
async fn serve(server: &Server<Bench>, until: Until, client: usize) -> [Samples; 2] {
    let mut numbers = Numbers(client as u64 + 100);
    let client = numbers.id();
    let fingerprint = Bench::DEF.fingerprint_hex();
    let (mut pulls, mut pushes) = (Samples::default(), Samples::default());
    let (started, mut cookie, mut id) = (Instant::now(), String::new(), 0);
    loop {
        match &until {
            Until::Time(time) if started.elapsed() > *time => break,
            Until::Told(told) if told.load(Ordering::Relaxed) => break,
            _ => {}
        }
        id += 1;
        let body = serde_json::json!({
            "protocolVersion": 1, "schemaVersion": Bench::DEF.version, "fingerprint": fingerprint,
            "clientGroupID": "alice", "clientID": client,
            "mutations": [{ "id": id, "key": numbers.id(), "name": "todos.add", "timestamp": util::load::NOW,
                "args": { "id": numbers.id(), "list_id": LIST, "title": "Buy milk and bread" } }],
        });
        let push = WireRequest {
            method: Method::Post,
            path: "/sync/push".to_owned(),
            query: String::new(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.to_string().into(),
        };
        let start = Instant::now();
        let answer = server.respond(push).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        pushes.push(micros(start.elapsed()));
        let query = format!(
            "protocolVersion=1&schemaVersion={}&fingerprint={fingerprint}&clientGroupID=alice&clientID={client}{cookie}",
            Bench::DEF.version
        );
        let pull = WireRequest {
            method: Method::Get,
            path: "/sync/pull".to_owned(),
            query,
            headers: Vec::new(),
            body: Default::default(),
        };
        let start = Instant::now();
        let answer = server.respond(pull).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        pulls.push(micros(start.elapsed()));
        let page: PullResponse = serde_json::from_slice(&answer.body).expect("a page");
        cookie = format!("&cookie={}", page.cookie.replace(':', "%3A"));
    }
    [pulls, pushes]
}
