//! Scenario `rebase`: a pull with one change of one row into a store of 10,000 with 0, 10, 100 and 1,000 pending mutations,
//! from the answer's bytes to what listeners are told:
//!
//! - **confirm**: it acknowledges the oldest mutation and brings exactly what that did;
//! - **disjoint**: it changes a row that no pending mutation has touched;
//! - **full**: it changes a row that the newest one has touched: all of them run again.
//!
//! And pulls of 1,000 rows over 1,000 pending mutations, in the same three ways.
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

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Confirm,
    Disjoint,
    Full,
}

/// What is measured: pulls of `rows` rows, one after the other, over so many pending mutations.
#[derive(Clone, Copy)]
struct Case {
    way: Way,
    pending: usize,
    rows: usize,
    pulls: usize,
}

fn main() {
    let folder = folder();
    for pending in [0, 10, 100, 1_000] {
        let template = folder.path().join(format!("{pending}.db"));
        let keys = prepare(&template, pending);
        for (way, name) in [(Way::Confirm, "confirm"), (Way::Disjoint, "disjoint"), (Way::Full, "full")] {
            let pulls = match way {
                Way::Confirm => pending.min(100),
                Way::Disjoint => 100,
                Way::Full if pending == 0 => 0,
                Way::Full => 5,
            };
            if pulls > 0 {
                let case = Case { way, pending, rows: 1, pulls };
                compare(&format!("{name}, pending={pending}"), case, &template, &keys, rounds(5));
            }
            if pending == 1_000 {
                let case = Case { way, pending, rows: 1_000, pulls: 1 };
                compare(&format!("{name} of 1,000 rows, pending={pending}"), case, &template, &keys, rounds(9));
            }
        }
    }
}

fn compare(what: &str, case: Case, template: &Path, keys: &[String], rounds: usize) {
    let (mut plasma, mut baseline) = (Samples::default(), Samples::default());
    for round in 0..rounds {
        let path = template.with_extension(format!("{round}.db"));
        std::fs::copy(template, &path).expect("a copy");
        plasma_round(case, &path, round as u64 + 10, keys, &mut plasma);
        std::fs::remove_file(&path).expect("the copy");
        std::fs::copy(template, &path).expect("a copy");
        raw_round(case, &path, &mut baseline);
        std::fs::remove_file(&path).expect("the copy");
    }
    time(what, &plasma, &baseline, None);
}

/// A store with so many pending; returns their keys.
fn prepare(path: &Path, pending: usize) -> Vec<String> {
    let mut local = filled(path, ROWS);
    let mutate = |n| local.mutate("todos.set_done", &format!(r#"{{"id":"{}","done":true}}"#, id(n))).key.to_string();
    // Closing the last connection moves the log into the file.
    (0..pending).map(mutate).collect()
}

/// The rows that a pull brings.
fn pulled(case: Case, pull: usize) -> Vec<Row> {
    let first = match case.way {
        Way::Confirm => pull * case.rows,
        Way::Disjoint => 5_000 + pull * case.rows,
        Way::Full => case.pending - case.rows,
    };
    (first..first + case.rows)
        .map(|n| {
            let mut row = todo(n);
            match case.way {
                Way::Confirm => row[3] = Value::Bool(true),
                Way::Disjoint | Way::Full => row[2] = Value::Text(format!("Renamed elsewhere, number {n}, {pull}")),
            }
            row
        })
        .collect()
}

fn plasma_round(case: Case, path: &Path, seed: u64, keys: &[String], samples: &mut Samples) {
    let mut local = Local::open(path, seed);
    let before = local.stats();
    // The first pull after the opening reads what is pending; a client is opened once.
    let warm = (case.rows == 1).then(|| {
        let mut row = todo(9_999);
        row[2] = Value::Text("Renamed first".to_owned());
        local.ask();
        let page = local.page(&[put(&row)], None);
        local.answer(page);
    });
    for pull in 0..case.pulls {
        local.ask();
        let patch: Vec<String> = pulled(case, pull).iter().map(|row| put(row)).collect();
        let last = (pull + 1) * case.rows;
        let acknowledged = (case.way == Way::Confirm).then(|| (last as u64, keys[last - 1].clone()));
        let page = local.page(&patch, acknowledged);
        let (elapsed, _) = timed(|| local.answer(page));
        samples.push(micros(elapsed));
    }
    let after = local.stats();
    let took = match case.way {
        Way::Confirm => after.confirmed - before.confirmed,
        Way::Disjoint => after.disjoint - before.disjoint - u64::from(warm.is_some()),
        Way::Full => after.replayed - before.replayed,
    };
    assert_eq!(took, case.pulls as u64, "a pull was applied another way: {after:?}");
    check(local.store.connection(), case);
}

fn raw_round(case: Case, path: &Path, samples: &mut Samples) {
    let db = raw(path, "NORMAL");
    for pull in 0..case.pulls {
        let rows = pulled(case, pull);
        let (elapsed, result) = timed(|| raw_writes(&db, case, pull, &rows));
        result.expect("the raw program works");
        samples.push(micros(elapsed));
    }
    check(&db, case);
}

fn raw_writes(db: &Connection, case: Case, pull: usize, rows: &[Row]) -> rusqlite::Result<()> {
    db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    if case.way == Way::Confirm {
        // Visible rows are right already: only the queue goes.
        let last = ((pull + 1) * case.rows) as i64;
        db.prepare_cached("DELETE FROM _plasma_outbox WHERE id <= ?")?.execute([last])?;
        db.prepare_cached("DELETE FROM _plasma_effects WHERE mid <= ?")?.execute([last])?;
    } else {
        let mut upsert = db.prepare_cached(
            "INSERT INTO todos (id, list_id, title, done, note, created_at) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET list_id = excluded.list_id, title = excluded.title, done = excluded.done, \
             note = excluded.note, created_at = excluded.created_at",
        )?;
        for row in rows {
            upsert.execute(rusqlite::params_from_iter(row))?;
        }
    }
    if case.way == Way::Full {
        let mut update = db.prepare_cached("UPDATE todos SET done = 1 WHERE id = ?")?;
        let mut effect = db.prepare_cached(
            "UPDATE _plasma_effects SET before = ?, after = ? WHERE table_name = 'todos' AND row_id = ?",
        )?;
        // All that is pending is done again.
        for n in 0..case.pending {
            let pulled = rows.iter().find(|row| row[0].as_text() == Some(&id(n))).cloned();
            let row = pulled.unwrap_or_else(|| todo(n));
            update.execute([id(n)])?;
            let mut after = row.clone();
            after[3] = Value::Bool(true);
            effect.execute(params![json::encode_row(Todo::DEF, &row), json::encode_row(Todo::DEF, &after), id(n)])?;
        }
    }
    db.prepare_cached("INSERT OR REPLACE INTO _plasma_meta (key, value) VALUES ('cookie', 'c2:x')")?.execute([])?;
    db.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

/// The final rows.
fn check(db: &Connection, case: Case) {
    let count = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).expect("a count") };
    assert_eq!(count("SELECT count(*) FROM todos"), ROWS as i64);
    assert_eq!(count("SELECT count(*) FROM todos WHERE done"), case.pending as i64);
    let renamed = match case.way {
        Way::Confirm => 0,
        Way::Disjoint => case.pulls * case.rows,
        Way::Full => case.rows,
    };
    assert_eq!(count("SELECT count(*) FROM todos WHERE title LIKE 'Renamed elsewhere%'"), renamed as i64);
    let both = if case.way == Way::Full { case.rows } else { 0 };
    assert_eq!(count("SELECT count(*) FROM todos WHERE title LIKE 'Renamed elsewhere%' AND done"), both as i64);
    let pending = case.pending - if case.way == Way::Confirm { case.pulls * case.rows } else { 0 };
    assert_eq!(count("SELECT count(*) FROM _plasma_outbox"), pending as i64);
    assert_eq!(count("SELECT count(*) FROM _plasma_effects"), pending as i64);
}
