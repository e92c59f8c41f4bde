//! Guards beside the suite.
//!
//! - The tax of the change log: processor time of rows inserted through plasma's triggers, against triggers written by
//!   hand that keep the same (new image, old image, who) as JSON, one transaction of 20,000 rows on SQLite.
//! - A pull of one new row, with 1,000 and with 1,000,000 entries in the log (`PLASMA_BENCH_ENTRIES` says another
//!   number): the time must not grow with the log.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "a benchmark")]

mod util;

use std::path::Path;

use plasma_runtime::protocol::PullRequest;
use plasma_runtime::server::Caller;
use rusqlite::{Connection, params};
use util::load::{LIST, NOW, engine, now};
use util::schema::Ctx;
use util::{Numbers, Samples, folder, micros, raw, rounds, time, timed};

const ROWS: usize = 20_000;

fn main() {
    let (mut plasma, mut floor) = (Samples::default(), Samples::default());
    for _ in 0..rounds(5) {
        let folder = folder();
        let (one, other) = (folder.path().join("plasma.db"), folder.path().join("raw.db"));
        drop(engine(&one));
        plasma.push(insert(&raw(&one, "NORMAL")));
        floor.push(insert(&by_hand(&other)));
    }
    time("change-log tax: processor time of a row", &plasma, &floor, Some(1.15));
    let entries = std::env::var("PLASMA_BENCH_ENTRIES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let folder = folder();
    let (mut short, mut long) = (Samples::default(), Samples::default());
    pulls(&folder.path().join("short.db"), 1_000, &mut short);
    pulls(&folder.path().join("long.db"), entries, &mut long);
    time(format!("pull of one row, {entries} entries against 1,000"), &long, &short, Some(1.1));
}

/// Microseconds of processor time of this thread.
fn processor() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(0.0) / 1_000.0
}

/// Processor time of one row.
fn insert(db: &Connection) -> f64 {
    let mut numbers = Numbers(5);
    let rows: Vec<String> = (0..ROWS).map(|_| numbers.id()).collect();
    let start = processor();
    db.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
    let mut insert = db
        .prepare("INSERT INTO todos (id, list_id, title, done, note, created_at) VALUES (?, ?, 'a title', 0, NULL, ?)")
        .expect("a statement");
    for id in &rows {
        insert.execute(params![id, LIST, NOW * 1_000]).expect("a row");
    }
    db.execute_batch("COMMIT").expect("a commit");
    let took = processor() - start;
    let logged: i64 =
        db.query_row("SELECT count(*) FROM _plasma_changes WHERE op = 'put'", [], |row| row.get(0)).expect("a count");
    assert!(logged >= ROWS as i64);
    took / ROWS as f64
}

/// What somebody would write without plasma.
fn by_hand(path: &Path) -> Connection {
    let db = raw(path, "NORMAL");
    db.execute_batch(
        "CREATE TABLE lists (id TEXT PRIMARY KEY, name TEXT NOT NULL, owner TEXT NOT NULL) WITHOUT ROWID;
         CREATE TABLE todos (id TEXT PRIMARY KEY, list_id TEXT NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
           title TEXT NOT NULL, done INTEGER NOT NULL, note TEXT, created_at INTEGER NOT NULL) WITHOUT ROWID;
         CREATE INDEX todos_list ON todos (list_id);
         CREATE TABLE origin (id INTEGER PRIMARY KEY, client TEXT, mutation INTEGER);
         INSERT INTO origin (id) VALUES (1);
         CREATE TABLE _plasma_changes (version INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, row TEXT NOT NULL,
           op TEXT NOT NULL, value TEXT, prior TEXT, at INTEGER NOT NULL, client TEXT, mutation INTEGER);
         CREATE INDEX by_row ON _plasma_changes (name, row, version);
         CREATE TRIGGER logged AFTER INSERT ON todos BEGIN
           INSERT INTO _plasma_changes (name, row, op, value, at, client, mutation)
           SELECT 'todos', NEW.id, 'put', json_object('id', NEW.id, 'list_id', NEW.list_id, 'title', NEW.title,
             'done', json(iif(NEW.done, 'true', 'false')), 'note', NEW.note, 'created_at', CAST(NEW.created_at AS TEXT)),
             unixepoch() * 1000, origin.client, origin.mutation FROM origin WHERE id = 1;
         END;",
    )
    .expect("tables");
    db.execute("INSERT INTO lists VALUES (?, 'list', 'alice')", [LIST]).expect("a list");
    db
}

fn todo_id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// Pulls of one new row each, from a log of so many entries.
fn pulls(path: &Path, entries: usize, took: &mut Samples) {
    let (engine, mut db) = engine(path);
    let mut numbers = Numbers(11);
    let one = "INSERT INTO todos (id, list_id, title, done, note, created_at) VALUES (?, ?, 'a title', 0, NULL, ?)";
    // The same rows again and again: the table stays small, the log grows.
    for row in 0..500 {
        db.connection().execute(one, params![todo_id(row), LIST, NOW]).expect("a row");
    }
    db.connection().execute_batch("BEGIN").expect("a transaction");
    let mut update = db.connection().prepare("UPDATE todos SET created_at = ? WHERE id = ?").expect("a statement");
    for entry in 0..entries.saturating_sub(500) {
        update.execute(params![entry as i64, todo_id(entry % 500)]).expect("a row");
    }
    drop(update);
    db.connection().execute_batch("COMMIT").expect("a commit");
    let caller = Caller { group: "alice".to_owned(), ctx: std::sync::Arc::new(Ctx { user: "alice".to_owned() }) };
    let mut request = PullRequest {
        protocol_version: 1,
        schema_version: "bench-1".to_owned(),
        fingerprint: None,
        client_group_id: "alice".to_owned(),
        client_id: "one".to_owned(),
        cookie: None,
        limit: Some(10_000),
        settled: None,
        wait: None,
    };
    loop {
        let page = now(Box::pin(engine.pull(&mut db, NOW, &caller, &request))).expect("a page").response;
        request.cookie = Some(page.cookie);
        if !page.has_more {
            break;
        }
    }
    for _ in 0..2_000 {
        db.connection().execute(one, params![numbers.id(), LIST, NOW]).expect("a row");
        let (elapsed, page) = timed(|| now(Box::pin(engine.pull(&mut db, NOW, &caller, &request))).expect("a page"));
        assert_eq!(page.response.patch.len(), 1);
        request.cookie = Some(page.response.cookie);
        took.push(micros(elapsed));
    }
}
