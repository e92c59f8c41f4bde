//! Scenario `mutate_durable`: a one-row mutation on a store of 100,000 rows, on disk, from the call to the callback of a
//! live query of that row; and of the engine alone, from the call to the commit.
//!
//! The baseline is a raw rusqlite program that writes the same rows in one transaction at the same durability
//! (`synchronous = NORMAL`): the todo, its entry in the queue, and the image that undoes it.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "a benchmark")]

mod util;

use std::sync::mpsc::channel;
use std::time::Duration;

use plasma::prelude::*;
use plasma::value::{Value, json};
use plasma_runtime::client::{Client, SqliteStore};
use rusqlite::{Connection, params};
use util::local::{Local, NOW, filled, id, list_id, todo};
use util::schema::{Bench, Ctx, SetDone, Todo};
use util::{Numbers, Samples, folder, micros, raw, rounds, time, timed};

const ROWS: usize = 100_000;
const COUNT: usize = 2_000;

fn main() {
    let folder = folder();
    let template = folder.path().join("template.db");
    drop(filled(&template, ROWS));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (mut plasma, mut baseline) = (Samples::default(), Samples::default());
    for round in 0..rounds(3) {
        let path = folder.path().join(format!("{round}.db"));
        std::fs::copy(&template, &path).expect("a copy");
        runtime.block_on(subscribed_round(&path, round as u64 + 10, &mut plasma));
        std::fs::remove_file(&path).expect("the copy");
        std::fs::copy(&template, &path).expect("a copy");
        raw_round(true, &path, round as u64 + 10, &mut baseline);
        std::fs::remove_file(&path).expect("the copy");
    }
    time("mutate to a one-row subscriber, 100k rows", &plasma, &baseline, None);
    for (update, what) in [(false, "mutate: add a todo, 100k rows"), (true, "mutate: change a todo, 100k rows")] {
        let (mut plasma, mut baseline) = (Samples::default(), Samples::default());
        for round in 0..rounds(3) {
            let path = folder.path().join(format!("{round}.db"));
            std::fs::copy(&template, &path).expect("a copy");
            plasma_round(update, &path, round as u64 + 10, &mut plasma);
            std::fs::remove_file(&path).expect("the copy");
            std::fs::copy(&template, &path).expect("a copy");
            raw_round(update, &path, round as u64 + 10, &mut baseline);
            std::fs::remove_file(&path).expect("the copy");
        }
        time(what, &plasma, &baseline, Some(3.0));
    }
}

/// Every mutation changes another row, whose subscriber hears of it.
async fn subscribed_round(path: &std::path::Path, seed: u64, samples: &mut Samples) {
    let client = Client::<Bench>::builder(SqliteStore::open(path))
        .group("alice")
        .ctx(Ctx { user: "alice".to_owned() })
        .open()
        .await
        .expect("a client");
    for n in chosen(seed) {
        let todo: Id<Todo> = id(n).parse().expect("an id");
        let live = client.live_row(todo);
        live.when_ready().await.expect("the row");
        let (seen, shown) = channel::<bool>();
        let _subscription = live.subscribe(move |row: Option<&Todo>| {
            seen.send(row.is_some_and(|todo| todo.done)).expect("somebody waits");
        });
        let start = std::time::Instant::now();
        client.mutate(SetDone { id: todo, done: true }).await.expect("a mutation");
        while !shown.recv_timeout(Duration::from_secs(10)).expect("the callback comes") {}
        samples.push(micros(start.elapsed()));
    }
    client.close().await;
    drop(client);
    check(&raw(path, "NORMAL"), true);
}

/// Different rows all over the table, the same for both sides.
fn chosen(seed: u64) -> Vec<usize> {
    let mut numbers = Numbers(seed);
    let mut all: Vec<usize> = (0..ROWS).collect();
    for at in 0..COUNT {
        let other = at + (numbers.next() as usize) % (ROWS - at);
        all.swap(at, other);
    }
    all.truncate(COUNT);
    all
}

fn plasma_round(update: bool, path: &std::path::Path, seed: u64, samples: &mut Samples) {
    let mut local = Local::open(path, seed);
    for (index, n) in chosen(seed).into_iter().enumerate() {
        let (name, args) = if update {
            ("todos.set_done", format!(r#"{{"id":"{}","done":true}}"#, id(n)))
        } else {
            let (id, list) = (id(ROWS + index), list_id(n));
            ("todos.add", format!(r#"{{"id":"{id}","list_id":"{list}","title":"Buy milk and bread"}}"#))
        };
        let (elapsed, mutated) = timed(|| local.mutate(name, &args));
        assert!(mutated.id.is_some());
        samples.push(micros(elapsed));
    }
    check(local.store.connection(), update);
}

fn raw_round(update: bool, path: &std::path::Path, seed: u64, samples: &mut Samples) {
    let db = raw(path, "NORMAL");
    let mut numbers = Numbers(seed);
    for (index, n) in chosen(seed).into_iter().enumerate() {
        let key = numbers.id();
        let (elapsed, result) = timed(|| raw_mutation(&db, update, index, n, &key));
        result.expect("the raw program works");
        samples.push(micros(elapsed));
    }
    check(&db, update);
}

fn raw_mutation(db: &Connection, update: bool, index: usize, n: usize, key: &str) -> rusqlite::Result<()> {
    db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let mut row = todo(n);
    let before = update.then(|| json::encode_row(Todo::DEF, &row));
    let args;
    if update {
        row[3] = Value::Bool(true);
        args = format!(r#"{{"id":"{}","done":true}}"#, id(n));
        db.prepare_cached("UPDATE todos SET done = 1 WHERE id = ?")?.execute([row[0].as_text()])?;
    } else {
        row[0] = Value::Text(id(ROWS + index));
        row[2] = Value::Text("Buy milk and bread".to_owned());
        args = format!(r#"{{"id":"{}","list_id":"{}","title":"Buy milk and bread"}}"#, id(ROWS + index), list_id(n));
        db.prepare_cached("INSERT INTO todos (id, list_id, title, done, note, created_at) VALUES (?, ?, ?, ?, ?, ?)")?
            .execute(rusqlite::params_from_iter(&row))?;
    }
    db.prepare_cached(
        "INSERT INTO _plasma_outbox (id, key, name, args, ts, state, reads) VALUES (?, ?, ?, ?, ?, 'queued', '{}')",
    )?
    .execute(params![index as i64 + 1, key, "todos.set_done", args, NOW])?;
    db.prepare_cached(
        "INSERT INTO _plasma_effects (table_name, row_id, mid, before, after) VALUES ('todos', ?, ?, ?, ?)",
    )?
    .execute(params![row[0].as_text(), index as i64 + 1, before, json::encode_row(Todo::DEF, &row)])?;
    db.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

/// The final rows.
fn check(db: &Connection, update: bool) {
    let count = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).expect("a count") };
    let (added, done) = if update { (0, COUNT) } else { (COUNT, 0) };
    assert_eq!(count("SELECT count(*) FROM todos"), (ROWS + added) as i64);
    assert_eq!(count("SELECT count(*) FROM todos WHERE done"), done as i64);
    assert_eq!(count("SELECT count(*) FROM _plasma_outbox"), COUNT as i64);
    assert_eq!(count("SELECT count(*) FROM _plasma_effects"), COUNT as i64);
}
