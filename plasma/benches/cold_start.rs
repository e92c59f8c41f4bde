//! Scenario `cold_start`: a store of 100,000 rows on disk is opened again, until the first 50 rows of a live query that an
//! index serves are there. Every start is a process of its own, so that its peak memory can be told.
//!
//! The baseline is a raw rusqlite program that opens the same file and runs the same query.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark"
)]

mod util;

use std::path::Path;
use std::process::Command;

use plasma::prelude::*;
use plasma_runtime::client::{Client, SqliteStore};
use util::schema::Ctx;
use util::{Samples, folder, peak_kib, raw, rounds, time, timed};

const ROWS: usize = 100_000;
const WINDOW: usize = 50;

#[plasma::table(name = "tasks", auth = open, index(done, rank))]
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    pub id: Id<Task>,
    pub title: String,
    pub owner: String,
    pub done: bool,
    pub rank: i32,
}

#[plasma::schema(version = "cold-1", ctx = Ctx, tables(Task), mutators())]
pub struct Cold;

fn main() {
    match std::env::var("PLASMA_BENCH_ROLE").as_deref() {
        Ok("plasma") => plasma_start(&file()),
        Ok("raw") => raw_start(&file()),
        _ => measure(),
    }
}

fn file() -> std::path::PathBuf {
    std::env::var_os("PLASMA_BENCH_FILE").expect("a file").into()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

async fn open(path: &Path) -> Client<Cold> {
    let store = SqliteStore::open(path);
    Client::<Cold>::builder(store).group("alice").ctx(Ctx { user: "alice".to_owned() }).open().await.expect("a client")
}

fn measure() {
    let folder = folder();
    let path = folder.path().join("store.db");
    runtime().block_on(async { open(&path).await.close().await });
    fill(&path).expect("rows");
    let (mut plasma, mut baseline) = (Samples::default(), Samples::default());
    let (mut plasma_kib, mut raw_kib) = (Samples::default(), Samples::default());
    for _ in 0..rounds(15) {
        let (us, kib) = start("plasma", &path);
        plasma.push(us);
        plasma_kib.push(kib);
        let (us, kib) = start("raw", &path);
        baseline.push(us);
        raw_kib.push(kib);
    }
    time("open 100k rows to the first 50 of an index", &plasma, &baseline, None);
    let (plasma_mib, raw_mib) = (plasma_kib.median() / 1024.0, raw_kib.median() / 1024.0);
    println!("  peak memory, MiB: plasma {plasma_mib:.1}, raw program {raw_mib:.1}");
    util::out::record(util::SCENARIO, "peak memory", "plasma", "rss", plasma_mib, "MiB");
    util::out::record(util::SCENARIO, "peak memory", "floor", "rss", raw_mib, "MiB");
}

/// The rows of the base, as if they had been pulled.
fn fill(path: &Path) -> rusqlite::Result<()> {
    let db = raw(path, "NORMAL");
    db.execute_batch("BEGIN IMMEDIATE")?;
    let mut insert = db.prepare("INSERT INTO tasks (id, title, owner, done, rank) VALUES (?, ?, ?, ?, ?)")?;
    for n in 0..ROWS {
        let rank = (n * 7_919) % ROWS;
        let (title, owner) = (format!("Buy milk and bread, number {n}"), format!("user {}", n % 100));
        insert.execute(rusqlite::params![util::local::id(n), title, owner, n % 3 == 0, rank as i64])?;
    }
    drop(insert);
    db.execute_batch("COMMIT")
}

/// One start in a process of its own: microseconds, and KiB at most.
fn start(role: &str, path: &Path) -> (f64, f64) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let output = command.env("PLASMA_BENCH_ROLE", role).env("PLASMA_BENCH_FILE", path).output().expect("a result");
    assert!(output.status.success(), "{role} failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let mut numbers = text.split_whitespace().map(|number| number.parse::<f64>().expect("a number"));
    (numbers.next().expect("microseconds"), numbers.next().expect("KiB"))
}

fn told(elapsed: std::time::Duration, ranks: &[i64]) {
    let kib = peak_kib();
    let expected: Vec<i64> = {
        let mut open: Vec<i64> = (0..ROWS).filter(|n| n % 3 != 0).map(|n| ((n * 7_919) % ROWS) as i64).collect();
        open.sort_unstable_by(|a, b| b.cmp(a));
        open.truncate(WINDOW);
        open
    };
    assert_eq!(ranks, expected);
    println!("{} {kib}", util::micros(elapsed));
}

fn plasma_start(path: &Path) {
    let runtime = runtime();
    let (elapsed, ranks) = timed(|| {
        runtime.block_on(async {
            let client = open(path).await;
            let query = Task::select().filter(Task::done.eq(false)).order_by(Task::rank.desc()).limit(WINDOW as u64);
            let live = client.live(query);
            live.when_ready().await.expect("the first rows");
            live.rows().iter().map(|task| i64::from(task.rank)).collect::<Vec<_>>()
        })
    });
    told(elapsed, &ranks);
}

fn raw_start(path: &Path) {
    let (elapsed, ranks) = timed(|| -> rusqlite::Result<Vec<i64>> {
        let db = raw(path, "NORMAL");
        let mut query = db
            .prepare("SELECT id, title, owner, done, rank FROM tasks WHERE done = 0 ORDER BY rank DESC, id LIMIT 50")?;
        let rows = query.query_map([], |row| {
            let _all: (String, String, String, bool) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            row.get(4)
        })?;
        rows.collect()
    });
    told(elapsed, &ranks.expect("the raw program works"));
}
