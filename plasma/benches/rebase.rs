//! A pull of 1,000 rows into a store of 10,000 with 1,000 pending mutations, three ways:
//!
//! - **confirm**: the pull brings exactly what the pending mutations did, and acknowledges them;
//! - **disjoint**: it changes rows that no pending mutation has touched;
//! - **replay**: it changes the very rows they have touched: all of them run again.
//!
//! The baseline is a raw rusqlite program that writes the same rows in one transaction: it knows beforehand what to
//! write, runs no mutator and decodes no page.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "a benchmark")]

mod util;

use std::path::Path;

use plasma::schema::Table as _;
use plasma::value::{Row, Value, json};
use rusqlite::{Connection, params};
use util::local::{Local, filled, id, put, todo};
use util::schema::Todo;
use util::{Samples, folder, micros, raw, rounds, time, timed};

const ROWS: usize = 10_000;
const PENDING: usize = 1_000;

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Confirm,
    Disjoint,
    Replay,
}

fn main() {
    let folder = folder();
    let template = folder.path().join("template.db");
    let key = prepare(&template);
    for (way, what) in [
        (Way::Confirm, "pull of 1,000 rows, 1,000 pending, confirm"),
        (Way::Disjoint, "pull of 1,000 rows, 1,000 pending, disjoint"),
        (Way::Replay, "pull of 1,000 rows, 1,000 pending, replay"),
    ] {
        let (mut plasma, mut baseline) = (Samples::default(), Samples::default());
        for round in 0..rounds(9) {
            let path = folder.path().join(format!("{round}.db"));
            std::fs::copy(&template, &path).expect("a copy");
            plasma.push(plasma_round(way, &path, round as u64 + 10, &key));
            std::fs::remove_file(&path).expect("the copy");
            std::fs::copy(&template, &path).expect("a copy");
            baseline.push(raw_round(way, &path));
            std::fs::remove_file(&path).expect("the copy");
        }
        time(what, &plasma, &baseline, None);
    }
}

/// A store with everything pending; returns the key of the last mutation.
fn prepare(path: &Path) -> String {
    let mut local = filled(path, ROWS);
    let mut last = String::new();
    for n in 0..PENDING {
        last = local.mutate("todos.set_done", &format!(r#"{{"id":"{}","done":true}}"#, id(n))).key.to_string();
    }
    // Closing the last connection moves the log into the file.
    last
}

/// The rows the pull brings.
fn pulled(way: Way) -> Vec<Row> {
    (0..1_000)
        .map(|n| {
            let mut row = todo(if way == Way::Disjoint { 5_000 + n } else { n });
            match way {
                Way::Confirm => row[3] = Value::Bool(true),
                Way::Disjoint | Way::Replay => row[2] = Value::Text(format!("Renamed elsewhere, number {n}")),
            }
            row
        })
        .collect()
}

/// Microseconds.
fn plasma_round(way: Way, path: &Path, seed: u64, key: &str) -> f64 {
    let mut local = Local::open(path, seed);
    local.ask();
    let patch: Vec<String> = pulled(way).iter().map(|row| put(row)).collect();
    let acknowledged = (way == Way::Confirm).then(|| (PENDING as u64, key.to_owned()));
    let page = local.page(&patch, acknowledged);
    let before = local.stats();
    let (elapsed, _) = timed(|| local.answer(page));
    let after = local.stats();
    let took = match way {
        Way::Confirm => after.confirmed - before.confirmed,
        Way::Disjoint => after.disjoint - before.disjoint,
        Way::Replay => after.replayed - before.replayed,
    };
    assert_eq!(took, 1, "the pull was applied another way: {after:?}");
    check(local.store.connection(), way);
    micros(elapsed)
}

/// Microseconds.
fn raw_round(way: Way, path: &Path) -> f64 {
    let db = raw(path, "NORMAL");
    let rows = pulled(way);
    let (elapsed, result) = timed(|| raw_writes(&db, way, &rows));
    result.expect("the raw program works");
    check(&db, way);
    micros(elapsed)
}

fn raw_writes(db: &Connection, way: Way, rows: &[Row]) -> rusqlite::Result<()> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    if way == Way::Confirm {
        // Visible rows are right already: only the queue goes.
        db.execute("DELETE FROM _plasma_outbox WHERE id <= ?", [PENDING as i64])?;
        db.execute("DELETE FROM _plasma_effects WHERE mid <= ?", [PENDING as i64])?;
    } else {
        let mut upsert = db.prepare(
            "INSERT INTO todos (id, list_id, title, done, note, created_at) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET list_id = excluded.list_id, title = excluded.title, done = excluded.done, \
             note = excluded.note, created_at = excluded.created_at",
        )?;
        for row in rows {
            upsert.execute(rusqlite::params_from_iter(row))?;
        }
    }
    if way == Way::Replay {
        let mut update = db.prepare("UPDATE todos SET done = 1 WHERE id = ?")?;
        let mut effect =
            db.prepare("UPDATE _plasma_effects SET before = ?, after = ? WHERE table_name = 'todos' AND row_id = ?")?;
        for row in rows {
            let id = row[0].as_text();
            update.execute([id])?;
            let before = json::encode_row(Todo::DEF, row);
            let mut after = row.clone();
            after[3] = Value::Bool(true);
            effect.execute(params![before, json::encode_row(Todo::DEF, &after), id])?;
        }
    }
    db.execute("INSERT OR REPLACE INTO _plasma_meta (key, value) VALUES ('cookie', 'c2:x')", [])?;
    db.execute_batch("COMMIT")
}

/// The final rows.
fn check(db: &Connection, way: Way) {
    let count = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).expect("a count") };
    assert_eq!(count("SELECT count(*) FROM todos"), ROWS as i64);
    assert_eq!(count("SELECT count(*) FROM todos WHERE done"), PENDING as i64);
    let renamed = if way == Way::Confirm { 0 } else { 1_000 };
    assert_eq!(count("SELECT count(*) FROM todos WHERE title LIKE 'Renamed%'"), renamed);
    let both = if way == Way::Replay { 1_000 } else { 0 };
    assert_eq!(count("SELECT count(*) FROM todos WHERE title LIKE 'Renamed%' AND done"), both);
    let pending = if way == Way::Confirm { 0 } else { PENDING as i64 };
    assert_eq!(count("SELECT count(*) FROM _plasma_outbox"), pending);
    assert_eq!(count("SELECT count(*) FROM _plasma_effects"), pending);
}
