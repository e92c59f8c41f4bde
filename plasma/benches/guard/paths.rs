//! The paths, and the same work by hand.

use std::path::Path;
use std::sync::Arc;

use plasma::Schema as _;
use plasma::prelude::*;
use plasma::value::{Value, json};
use plasma_runtime::live::probe::Probe;
use plasma_runtime::protocol::{PROTOCOL_VERSION, PullRequest, PushRequest};
use plasma_runtime::server::handler::check::push as decode;
use plasma_runtime::server::{Caller, PushJob};
use rusqlite::{Connection, params};

use super::floor::{Floor, Ordered, WINDOW};
use super::measure;
use super::todos::{Edit, Kind, Random, Todo, Todos, row};
use super::util::load::{self, Load, NOW, bodies, engine};
use super::util::local::{Local, filled, id, put, todo};
use super::util::schema::{Bench, Ctx, Todo as Item};
use super::util::{Numbers, raw};

const ROWS: usize = 2_000;
const MUTATIONS: usize = 200;

/// The arguments of the same mutation, of another row each time.
fn mutations(count: usize) -> Vec<String> {
    (0..count).map(|n| format!(r#"{{"id":"{}","done":true}}"#, id(n))).collect()
}

/// Mutations, each durable before the next.
pub fn mutate(path: &Path) {
    let mut local = filled(path, ROWS);
    let all = mutations(2 * MUTATIONS);
    // The first ones prepare the statements.
    let (first, then) = all.split_at(MUTATIONS);
    for args in first {
        local.mutate("todos.set_done", args);
    }
    measure(&mut || {
        for args in then {
            local.mutate("todos.set_done", args);
        }
    });
    assert_eq!(done(local.store.connection()), 2 * MUTATIONS as i64);
}

pub fn mutate_floor(path: &Path) {
    drop(filled(path, ROWS));
    let db = raw(path, "NORMAL");
    let mut numbers = Numbers(1);
    let mut mutation =
        |n: usize| -> rusqlite::Result<()> {
            db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            let mut row = todo(n);
            let before = json::encode_row(Item::DEF, &row);
            row[3] = Value::Bool(true);
            db.prepare_cached("UPDATE todos SET done = 1 WHERE id = ?")?.execute([id(n)])?;
            db.prepare_cached(
            "INSERT INTO _plasma_outbox (id, key, name, args, ts, state, reads) VALUES (?, ?, ?, ?, ?, 'queued', '{}')",
        )?
        .execute(params![n as i64 + 1, numbers.id(), "todos.set_done", format!(r#"{{"id":"{}"}}"#, id(n)), NOW])?;
            db.prepare_cached(
                "INSERT INTO _plasma_effects (table_name, row_id, mid, before, after) VALUES ('todos', ?, ?, ?, ?)",
            )?
            .execute(params![id(n), n as i64 + 1, before, json::encode_row(Item::DEF, &row)])?;
            db.prepare_cached("COMMIT")?.execute([])?;
            Ok(())
        };
    (0..MUTATIONS).for_each(|n| mutation(n).expect("a mutation"));
    measure(&mut || (MUTATIONS..2 * MUTATIONS).for_each(|n| mutation(n).expect("a mutation")));
    assert_eq!(done(&db), 2 * MUTATIONS as i64);
}

fn done(db: &Connection) -> i64 {
    db.query_row("SELECT count(*) FROM todos WHERE done", [], |row| row.get(0)).expect("a count")
}

/// Edits inside the window of a top 50.
fn window_edits() -> (Vec<Todo>, Vec<Edit>) {
    let rows: Vec<Todo> = (0..ROWS).map(row).collect();
    let (mut current, mut random) = (rows.clone(), Random(12_345));
    (rows, (0..500).map(|k| Edit::make(Kind::Window, k, &mut current, &mut random)).collect())
}

/// From the captured batch to the subscriber.
pub fn window(path: &Path) {
    let (rows, edits) = window_edits();
    let probe = Probe::new(Todos::DEF, Some(path)).expect("a store");
    let same = |row: Todo| Edit { old: row.clone(), new: row }.batch().changes;
    probe.write(&rows.into_iter().flat_map(same).collect::<Vec<_>>()).expect("the rows");
    let best = Todo::select().filter(Todo::done.eq(false)).order_by(Todo::prio.desc()).limit(WINDOW as u64);
    let live = probe.live(best);
    let heard = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = heard.clone();
    let _subscription = live.subscribe_delta(move |_| {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    });
    for edit in &edits {
        let batch = edit.batch();
        probe.write(&batch.changes).expect("the edit");
        measure(&mut || probe.change(&batch));
    }
    assert_eq!(live.rows()[0].id, edits[499].new.id);
    assert_eq!(heard.load(std::sync::atomic::Ordering::Relaxed), 501);
}

pub fn window_floor(_: &Path) {
    let (rows, edits) = window_edits();
    let mut floor = Floor { ranked: Some(Ordered::default()), ..Floor::default() };
    floor.load(&rows);
    let ids: Vec<String> = edits.iter().map(|edit| edit.old.id.to_string()).collect();
    for (id, edit) in ids.iter().zip(&edits) {
        measure(&mut || assert!(floor.edit(id, &edit.new)));
    }
}

/// A pull that changes the very rows which pending mutations have touched: all of them run again.
pub fn rebase(path: &Path) {
    drop(filled(path, ROWS));
    let mut local = Local::open(path, 10);
    for args in mutations(MUTATIONS) {
        local.mutate("todos.set_done", &args);
    }
    local.ask();
    let patch: Vec<String> = renamed().iter().map(|row| put(row)).collect();
    let mut page = Some(local.page(&patch, None));
    measure(&mut || {
        local.answer(page.take().expect("once"));
    });
    assert_eq!(local.stats().replayed, 1);
    assert_eq!(done(local.store.connection()), MUTATIONS as i64);
}

fn renamed() -> Vec<plasma::value::Row> {
    let rename = |n| {
        let mut row = todo(n);
        row[2] = Value::Text(format!("Renamed elsewhere, number {n}"));
        row
    };
    (0..MUTATIONS).map(rename).collect()
}

pub fn rebase_floor(path: &Path) {
    let mut local = filled(path, ROWS);
    for args in mutations(MUTATIONS) {
        local.mutate("todos.set_done", &args);
    }
    drop(local);
    let db = raw(path, "NORMAL");
    let rows = renamed();
    let work = || -> rusqlite::Result<()> {
        db.execute_batch("BEGIN IMMEDIATE")?;
        let mut put = db.prepare(
            "UPDATE todos SET list_id = ?2, title = ?3, done = ?4, note = ?5, created_at = ?6 WHERE id = ?1",
        )?;
        let mut again = db.prepare("UPDATE todos SET done = 1 WHERE id = ?")?;
        let mut effect =
            db.prepare("UPDATE _plasma_effects SET before = ?, after = ? WHERE table_name = 'todos' AND row_id = ?")?;
        for row in &rows {
            put.execute(rusqlite::params_from_iter(row))?;
            again.execute([row[0].as_text()])?;
            let before = json::encode_row(Item::DEF, row);
            let mut after = row.clone();
            after[3] = Value::Bool(true);
            effect.execute(params![before, json::encode_row(Item::DEF, &after), row[0].as_text()])?;
        }
        db.execute_batch("COMMIT")
    };
    measure(&mut || work().expect("the writes"));
    assert_eq!(done(&db), MUTATIONS as i64);
}

/// Ten mutations a push; the first pushes prepare the statements.
const LOAD: Load = Load { what: "", clients: 1, size: 10, turns: 2 * MUTATIONS / 10 };

fn caller() -> Caller {
    Caller { group: "alice".to_owned(), ctx: Arc::new(Ctx { user: "alice".to_owned() }) }
}

/// From the bytes of a push to its durable commit and the text of the answer.
pub fn push(path: &Path) {
    let (engine, mut db) = engine(path);
    let turns = bodies(&LOAD, 1);
    let caller = caller();
    let mut entropy = Numbers(7);
    let mut respond = |turn: &[String]| {
        let request = decode(turn[0].as_bytes(), engine.limits(), engine.lenses(), &caller).expect("a push");
        let jobs = [PushJob { caller: caller.clone(), request }];
        for answer in load::now(Box::pin(engine.push_group(&mut db, NOW, &mut entropy, &jobs))) {
            let answer = answer.expect("the push is taken");
            std::hint::black_box(serde_json::to_string(&answer).expect("an answer"));
        }
    };
    let (first, then) = turns.split_at(LOAD.turns / 2);
    first.iter().for_each(|turn| respond(turn));
    measure(&mut || then.iter().for_each(|turn| respond(turn)));
    load::check(db.connection(), &LOAD, true);
}

/// What a mutation of the load says.
#[derive(serde::Deserialize)]
struct Add {
    id: String,
    list_id: String,
    title: String,
}

pub fn push_floor(path: &Path) {
    drop(engine(path));
    let db = raw(path, "FULL");
    let turns = bodies(&LOAD, 1);
    let mut version: i64 =
        db.query_row("SELECT max(row_version) FROM _plasma_changes", [], |row| row.get(0)).expect("a version");
    let mut respond = |turn: &[String]| -> rusqlite::Result<()> {
        let push: PushRequest = serde_json::from_str(&turn[0]).expect("a push");
        db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for mutation in &push.mutations {
            let add: Add = serde_json::from_str(mutation.args.as_ref().expect("arguments").get()).expect("arguments");
            db.prepare_cached(
                "INSERT INTO todos (id, list_id, title, done, note, created_at) VALUES (?, ?, ?, 0, NULL, ?)",
            )?
            .execute(params![add.id, add.list_id, add.title, NOW * 1_000])?;
            version += 1;
            db.prepare_cached(
                "INSERT INTO _plasma_outcomes (client_id, mutation_id, client_group_id, key, status, row_version, \
                 created_at) VALUES (?, ?, 'alice', ?, 'applied', ?, ?)",
            )?
            .execute(params![push.client_id, mutation.id as i64, mutation.key, version, NOW])?;
        }
        db.prepare_cached(
            "INSERT INTO _plasma_client_mutations (client_id, client_group_id, last_mutation_id, row_version, seen_at) \
             VALUES (?, 'alice', ?, ?, ?) ON CONFLICT (client_id) DO UPDATE SET last_mutation_id = \
             excluded.last_mutation_id, row_version = excluded.row_version, seen_at = excluded.seen_at",
        )?
        .execute(params![push.client_id, push.mutations.last().map(|last| last.id as i64), version, NOW])?;
        db.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    };
    let (first, then) = turns.split_at(LOAD.turns / 2);
    first.iter().for_each(|turn| respond(turn).expect("a push"));
    measure(&mut || then.iter().for_each(|turn| respond(turn).expect("a push")));
    load::check(&db, &LOAD, true);
}

/// A page of everything that was pushed since, as text.
pub fn pull(path: &Path) {
    let (engine, mut db) = engine(path);
    let caller = caller();
    let mut entropy = Numbers(7);
    let mut request = PullRequest {
        protocol_version: PROTOCOL_VERSION,
        schema_version: Bench::DEF.version.to_owned(),
        fingerprint: None,
        client_group_id: "alice".to_owned(),
        client_id: "00000000-0000-4000-8000-00000000000c".to_owned(),
        cookie: None,
        limit: None,
        settled: None,
        wait: None,
    };
    let page = load::now(Box::pin(engine.pull(&mut db, NOW, &caller, &request))).expect("a page").response;
    request.cookie = Some(page.cookie);
    for turn in bodies(&LOAD, 1) {
        let push = decode(turn[0].as_bytes(), engine.limits(), engine.lenses(), &caller).expect("a push");
        let jobs = [PushJob { caller: caller.clone(), request: push }];
        load::now(Box::pin(engine.push_group(&mut db, NOW, &mut entropy, &jobs)));
    }
    let mut page = || {
        let page = load::now(Box::pin(engine.pull(&mut db, NOW, &caller, &request))).expect("a page");
        serde_json::to_string(&page.response).expect("a page")
    };
    let first = page();
    assert_eq!(first.matches("\"op\":\"put\"").count(), 2 * MUTATIONS);
    measure(&mut || {
        for _ in 0..5 {
            std::hint::black_box(page());
        }
    });
}

pub fn pull_floor(path: &Path) {
    drop(engine(path));
    let db = raw(path, "FULL");
    let before: i64 =
        db.query_row("SELECT max(row_version) FROM _plasma_changes", [], |row| row.get(0)).expect("a version");
    let mut insert = db
        .prepare("INSERT INTO todos (id, list_id, title, done, note, created_at) VALUES (?, ?, ?, 0, NULL, ?)")
        .expect("a statement");
    let mut numbers = Numbers(1);
    for _ in 0..2 * MUTATIONS {
        insert
            .execute(params![numbers.id(), load::LIST, "Buy milk and bread, the good one", NOW * 1_000])
            .expect("a row");
    }
    let page = || -> rusqlite::Result<String> {
        let mut page = String::from("{\"patch\":[");
        let mut changes = db.prepare_cached(
            "SELECT table_name, row_id, value FROM _plasma_changes WHERE row_version > ? ORDER BY row_version",
        )?;
        let mut rows = changes.query([before])?;
        while let Some(row) = rows.next()? {
            let (table, id, value) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
            page.push_str("{\"op\":\"put\",\"table\":\"");
            page.push_str(table);
            page.push_str("\",\"id\":\"");
            page.push_str(id);
            page.push_str("\",\"value\":");
            page.push_str(value);
            page.push_str("},");
        }
        page.push_str("]}");
        Ok(page)
    };
    let first = page().expect("a page");
    assert_eq!(first.matches("\"op\":\"put\"").count(), 2 * MUTATIONS);
    measure(&mut || {
        for _ in 0..5 {
            std::hint::black_box(page().expect("a page"));
        }
    });
}
