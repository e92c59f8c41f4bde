//! Pushes of todos, and the raw program that stores the same.

use std::path::Path;

use plasma::Schema as _;
use plasma_runtime::future::{BoxFuture, poll_once};
use plasma_runtime::protocol::PushRequest;
use plasma_runtime::server::{ServerEngine, ServerOptions};
use plasma_runtime::store::sqlite::{SqliteConnection, SqliteOptions, Synchronous};
use rusqlite::{Connection, params};

use super::schema::Bench;
use super::{Numbers, raw, timed};

/// The pushes of one turn: client id, and per mutation id, key and arguments.
type Turn<'a> = Vec<(&'a str, Vec<(u64, &'a str, Add<'a>)>)>;

/// Unix ms of every step.
pub const NOW: i64 = 1_790_000_000_000;
/// The list all todos go to.
pub const LIST: &str = "00000000-0000-4000-8000-000000000001";

/// What one round does: `pushes` pushes of `size` mutations from each of `clients` clients; the clients' pushes of one
/// turn share a commit.
pub struct Load {
    pub what: &'static str,
    pub clients: usize,
    pub size: usize,
    pub turns: usize,
}

pub fn now<T>(future: BoxFuture<'_, T>) -> T {
    poll_once(future).expect("a synchronous connection is never pending")
}

/// An engine over a fresh database with one list in it.
pub fn engine(path: &Path) -> (ServerEngine, SqliteConnection) {
    let engine = ServerEngine::new(Bench::definition(), ServerOptions::default()).expect("a sound definition");
    let options = SqliteOptions { synchronous: Synchronous::Full, ..SqliteOptions::default() };
    let mut db = SqliteConnection::open(path, options).expect("a database");
    now(Box::pin(engine.ensure_schema(&mut db, NOW, &mut Numbers(1)))).expect("a schema");
    db.connection().execute("INSERT INTO lists (id, name, owner) VALUES (?, 'list', 'alice')", [LIST]).expect("a list");
    (engine, db)
}

/// The bodies of one round's pushes, turn by turn, client by client.
pub fn bodies(load: &Load, round: usize) -> Vec<Vec<String>> {
    let mut numbers = Numbers(round as u64);
    let clients: Vec<String> = (0..load.clients).map(|_| numbers.id()).collect();
    (0..load.turns)
        .map(|turn| {
            clients
                .iter()
                .map(|client| {
                    let mutations: Vec<_> = (0..load.size)
                        .map(|index| {
                            serde_json::json!({
                                "id": turn * load.size + index + 1,
                                "key": numbers.id(),
                                "name": "todos.add",
                                "args": { "id": numbers.id(), "list_id": LIST, "title": "Buy milk and bread, the good one" },
                                "timestamp": NOW,
                            })
                        })
                        .collect();
                    serde_json::json!({
                        "protocolVersion": 1,
                        "schemaVersion": "bench-1",
                        "clientGroupID": "alice",
                        "clientID": client,
                        "mutations": mutations,
                    })
                    .to_string()
                })
                .collect()
        })
        .collect()
}

/// The arguments of a mutation.
#[derive(serde::Deserialize)]
struct Add<'a> {
    id: &'a str,
    list_id: &'a str,
    title: &'a str,
}

/// Seconds. Without `ledger` only the rows and, by the triggers, their log entries.
pub fn raw_round(load: &Load, path: &Path, round: usize, ledger: bool) -> f64 {
    drop(engine(path));
    let db = raw(path, "FULL");
    let turns: Vec<Vec<PushRequest>> = bodies(load, round)
        .iter()
        .map(|turn| turn.iter().map(|body| serde_json::from_str(body).expect("a push")).collect())
        .collect();
    // The raw program is given its arguments decoded: it measures the database alone.
    let turns: Vec<Turn<'_>> = turns
        .iter()
        .map(|turn| {
            turn.iter()
                .map(|push| {
                    let rows = push
                        .mutations
                        .iter()
                        .map(|mutation| {
                            let args = mutation.args.as_ref().expect("arguments").get();
                            (mutation.id, mutation.key.as_str(), serde_json::from_str(args).expect("arguments"))
                        })
                        .collect();
                    (push.client_id.as_str(), rows)
                })
                .collect()
        })
        .collect();
    let (elapsed, ()) = timed(|| raw_turns(&db, &turns, ledger).expect("the raw program works"));
    check(&db, load, ledger);
    elapsed.as_secs_f64()
}

/// What a careful program does by hand: statements prepared once, one ledger row a client and transaction.
fn raw_turns(db: &Connection, turns: &[Turn<'_>], ledger: bool) -> rusqlite::Result<()> {
    let mut origin = db.prepare(
        "UPDATE _plasma_origin SET client_group_id = 'alice', client_id = ?, mutation_id = ?, mark = ?, now = ?",
    )?;
    let mut insert =
        db.prepare("INSERT INTO todos (id, list_id, title, done, note, created_at) VALUES (?, ?, ?, 0, NULL, ?)")?;
    let mut outcome = db.prepare(
        "INSERT INTO _plasma_outcomes (client_id, mutation_id, client_group_id, key, status, row_version, created_at) \
         VALUES (?, ?, 'alice', ?, 'applied', ?, ?)",
    )?;
    let mut advance = db.prepare(
        "INSERT INTO _plasma_client_mutations (client_id, client_group_id, last_mutation_id, row_version, seen_at) \
         VALUES (?, 'alice', ?, ?, ?) ON CONFLICT (client_id) DO UPDATE SET last_mutation_id = \
         excluded.last_mutation_id, row_version = excluded.row_version, seen_at = excluded.seen_at",
    )?;
    // The log is this program's own: it knows the positions.
    let mut version: i64 = db.query_row("SELECT max(row_version) FROM _plasma_changes", [], |row| row.get(0))?;
    for turn in turns {
        db.execute_batch("BEGIN IMMEDIATE")?;
        for (client, mutations) in turn {
            for (id, key, add) in mutations {
                if ledger {
                    origin.execute(params![client, *id as i64, 17, NOW])?;
                }
                insert.execute(params![add.id, add.list_id, add.title, NOW * 1_000])?;
                version += 1;
                if ledger {
                    outcome.execute(params![client, *id as i64, key, version, NOW])?;
                }
            }
            if let (true, Some((last, ..))) = (ledger, mutations.last()) {
                advance.execute(params![client, *last as i64, version, NOW])?;
            }
        }
        if ledger {
            db.execute_batch(
                "UPDATE _plasma_origin SET client_id = NULL, mutation_id = NULL, mark = NULL, now = NULL",
            )?;
        }
        db.execute_batch("COMMIT")?;
    }
    Ok(())
}

/// The final rows: every mutation once, logged once, in the ledger.
pub fn check(db: &Connection, load: &Load, ledger: bool) {
    let count = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).expect("a count") };
    let expected = (load.clients * load.size * load.turns) as i64;
    assert_eq!(count("SELECT count(*) FROM todos WHERE title = 'Buy milk and bread, the good one'"), expected);
    assert_eq!(count("SELECT count(*) FROM _plasma_changes WHERE table_name = 'todos' AND op = 'put'"), expected);
    if ledger {
        let last = (load.size * load.turns) as i64;
        assert_eq!(count("SELECT count(*) FROM _plasma_outcomes WHERE status = 'applied'"), expected);
        assert_eq!(count("SELECT min(last_mutation_id) FROM _plasma_client_mutations"), last);
        assert_eq!(count("SELECT count(*) FROM _plasma_client_mutations"), load.clients as i64);
    }
}
