//! From `mutate` to the callback of a live query that shows it, on a store of 100,000 rows: the query is the newest 50
//! todos of a list, the mutation adds one to that list.
//!
//! The baseline is a raw rusqlite program that writes the same rows in one transaction at the same durability
//! (`synchronous = NORMAL`) and then runs the same query again.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "a benchmark")]

mod util;

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use plasma::prelude::*;
use plasma::value::{Value, json};
use plasma_runtime::client::{Client, SqliteStore};
use rusqlite::{Connection, params};
use util::local::{NOW, filled, id, list_id, todo};
use util::schema::{AddTodo, Bench, Ctx, List, Todo};
use util::{Numbers, Samples, folder, micros, raw, rounds, time, timed};

const ROWS: usize = 100_000;
const COUNT: usize = 500;
const WINDOW: usize = 50;

fn main() {
    let folder = folder();
    let template = folder.path().join("template.db");
    drop(filled(&template, ROWS));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (mut plasma, mut baseline) = (Samples::default(), Samples::default());
    for round in 0..rounds(5) {
        let path = folder.path().join(format!("{round}.db"));
        std::fs::copy(&template, &path).expect("a copy");
        runtime.block_on(plasma_round(&path, round, &mut plasma));
        std::fs::remove_file(&path).expect("the copy");
        std::fs::copy(&template, &path).expect("a copy");
        raw_round(&path, round, &mut baseline);
        std::fs::remove_file(&path).expect("the copy");
    }
    time("mutate to live-query callback, 100k rows", &plasma, &baseline, None);
}

/// The todos of a round go to one list.
fn list(round: usize) -> String {
    list_id(round * 10_000)
}

async fn plasma_round(path: &Path, round: usize, samples: &mut Samples) {
    let client = Client::<Bench>::builder(SqliteStore::open(path))
        .group("alice")
        .ctx(Ctx { user: "alice".to_owned() })
        .open()
        .await
        .expect("a client");
    let list: Id<List> = list(round).parse().expect("an id");
    let query = Todo::select().filter(Todo::list_id.eq(list)).order_by(Todo::created_at.desc()).limit(WINDOW as u64);
    let live = client.live(query);
    live.when_ready().await.expect("the first rows");
    let (seen, shown) = channel::<Id<Todo>>();
    let _subscription = live.subscribe(move |rows| {
        // Ids ascend here, and added rows are among the newest.
        let newest = rows.iter().map(|todo| todo.id).max().expect("a list of todos");
        seen.send(newest).expect("somebody waits");
    });
    for n in 0..COUNT {
        let title = format!("new {n}");
        let todo: Id<Todo> = id(ROWS + n).parse().expect("an id");
        let add = AddTodo { id: todo, list_id: list, title };
        let start = std::time::Instant::now();
        client.mutate(add).await.expect("a mutation");
        while shown.recv_timeout(Duration::from_secs(10)).expect("the callback comes") != todo {}
        samples.push(micros(start.elapsed()));
    }
    drop(live);
    client.close().await;
    drop(client);
    check(&raw(path, "NORMAL"), round);
}

fn raw_round(path: &Path, round: usize, samples: &mut Samples) {
    let db = raw(path, "NORMAL");
    let mut numbers = Numbers(round as u64);
    for n in 0..COUNT {
        let key = numbers.id();
        let (elapsed, newest) = timed(|| raw_mutation(&db, round, n, &key));
        assert_eq!(newest.expect("the raw program works"), id(ROWS + n));
        samples.push(micros(elapsed));
    }
    check(&db, round);
}

/// One todo; then the query again. Returns its greatest id.
fn raw_mutation(db: &Connection, round: usize, n: usize, key: &str) -> rusqlite::Result<String> {
    let mut row = todo(ROWS + n);
    row[1] = Value::Text(list(round));
    row[2] = Value::Text(format!("new {n}"));
    row[5] = Value::Int((NOW + 10_000_000_000) * 1_000 + n as i64);
    let args = format!(r#"{{"id":"{}","list_id":"{}","title":"new {n}"}}"#, id(ROWS + n), list(round));
    db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    db.prepare_cached("INSERT INTO todos (id, list_id, title, done, note, created_at) VALUES (?, ?, ?, ?, ?, ?)")?
        .execute(rusqlite::params_from_iter(&row))?;
    db.prepare_cached(
        "INSERT INTO _plasma_outbox (id, key, name, args, ts, state, reads) VALUES (?, ?, ?, ?, ?, 'queued', '{}')",
    )?
    .execute(params![n as i64 + 1, key, "todos.add", args, NOW])?;
    db.prepare_cached(
        "INSERT INTO _plasma_effects (table_name, row_id, mid, before, after) VALUES ('todos', ?, ?, NULL, ?)",
    )?
    .execute(params![row[0].as_text(), n as i64 + 1, json::encode_row(Todo::DEF, &row)])?;
    db.prepare_cached("COMMIT")?.execute([])?;
    let mut query = db.prepare_cached(
        "SELECT id, list_id, title, done, note, created_at FROM todos WHERE list_id = ? \
         ORDER BY created_at DESC, id LIMIT 50",
    )?;
    let rows = query.query_map([list(round)], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, bool>(3)?,
            row.get::<_, Option<String>>(4)?,
            row.get::<_, i64>(5)?,
        ))
    })?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    assert_eq!(rows.len(), WINDOW);
    Ok(rows.into_iter().map(|row| row.0).max().unwrap_or_default())
}

/// The final rows.
fn check(db: &Connection, round: usize) {
    let count = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).expect("a count") };
    assert_eq!(count("SELECT count(*) FROM todos"), (ROWS + COUNT) as i64);
    assert_eq!(count("SELECT count(*) FROM _plasma_outbox"), COUNT as i64);
    let added = format!("SELECT count(*) FROM todos WHERE list_id = '{}' AND title LIKE 'new %'", list(round));
    assert_eq!(count(&added), COUNT as i64);
}
