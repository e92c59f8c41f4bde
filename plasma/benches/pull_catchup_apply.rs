//! Scenario `pull_catchup`, the half of the client: 100,000 changes from a cookie, in pages of 1,000 as the server sends
//! them, are applied to a store of 100,000 rows: nine of ten change a row that is there, one after the other, one adds one.
//!
//! The baseline is a raw rusqlite program that writes the same rows, which it has in memory, with one transaction a page.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "a benchmark")]

mod util;

use std::path::Path;

use plasma::value::{Row, Value};
use rusqlite::Connection;
use util::local::{Local, filled, put, todo};
use util::{Samples, folder, rate, raw, rounds, timed};

const ROWS: usize = 100_000;
const PAGE: usize = 1_000;

fn main() {
    let folder = folder();
    let template = folder.path().join("template.db");
    drop(filled(&template, ROWS));
    let pages = pages();
    let (mut plasma, mut baseline) = (Samples::default(), Samples::default());
    for round in 0..rounds(5) {
        let path = folder.path().join(format!("{round}.db"));
        std::fs::copy(&template, &path).expect("a copy");
        plasma.push(plasma_round(&path, round as u64 + 10, &pages));
        std::fs::remove_file(&path).expect("the copy");
        std::fs::copy(&template, &path).expect("a copy");
        baseline.push(raw_round(&path, &pages));
        std::fs::remove_file(&path).expect("the copy");
    }
    rate("apply 100k changes in pages of 1,000", "changes/s", &plasma, &baseline, None);
}

/// What changed, in the order of the log.
fn pages() -> Vec<Vec<Row>> {
    let change = |n: usize| {
        let mut row = todo(if n % 10 == 9 { ROWS + n / 10 } else { n });
        row[2] = Value::Text(format!("Renamed elsewhere, number {n}"));
        row
    };
    (0..ROWS / PAGE).map(|page| (0..PAGE).map(|n| change(page * PAGE + n)).collect()).collect()
}

/// Changes a second.
fn plasma_round(path: &Path, seed: u64, pages: &[Vec<Row>]) -> f64 {
    let mut local = Local::open(path, seed);
    let mut seconds = 0.0;
    for (index, rows) in pages.iter().enumerate() {
        local.ask();
        let patch: Vec<String> = rows.iter().map(|row| put(row)).collect();
        let mut page = local.page(&patch, None);
        if index + 1 < pages.len() {
            let body = String::from_utf8(page.body.to_vec()).expect("text");
            page.body = body.replacen(r#""hasMore":false"#, r#""hasMore":true"#, 1).into();
        }
        let (elapsed, _) = timed(|| local.answer(page));
        seconds += elapsed.as_secs_f64();
    }
    assert_eq!(local.stats().disjoint, pages.len() as u64);
    check(local.store.connection(), pages);
    ROWS as f64 / seconds
}

fn raw_round(path: &Path, pages: &[Vec<Row>]) -> f64 {
    let db = raw(path, "NORMAL");
    let (elapsed, result) = timed(|| pages.iter().try_for_each(|rows| raw_page(&db, rows)));
    result.expect("the raw program works");
    check(&db, pages);
    ROWS as f64 / elapsed.as_secs_f64()
}

fn raw_page(db: &Connection, rows: &[Row]) -> rusqlite::Result<()> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    let mut upsert = db.prepare_cached(
        "INSERT INTO todos (id, list_id, title, done, note, created_at) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET list_id = excluded.list_id, title = excluded.title, done = excluded.done, \
         note = excluded.note, created_at = excluded.created_at",
    )?;
    for row in rows {
        upsert.execute(rusqlite::params_from_iter(row))?;
    }
    db.execute("INSERT OR REPLACE INTO _plasma_meta (key, value) VALUES ('cookie', 'c2:x')", [])?;
    db.execute_batch("COMMIT")
}

/// The final rows: of each the last title.
fn check(db: &Connection, pages: &[Vec<Row>]) {
    let mut last = std::collections::BTreeMap::new();
    for row in pages.iter().flatten() {
        last.insert(row[0].as_text(), row[2].as_text());
    }
    let mut query = db.prepare("SELECT id, title FROM todos WHERE title LIKE 'Renamed%' ORDER BY id").expect("a query");
    let mut rows = query.query([]).expect("rows");
    for (id, title) in &last {
        let row = rows.next().expect("a row").expect("a row");
        let text = |at| row.get::<_, String>(at).expect("text");
        assert_eq!((Some(text(0).as_str()), Some(text(1).as_str())), (*id, *title));
    }
    assert!(rows.next().expect("the end").is_none());
}
