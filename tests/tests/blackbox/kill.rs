//! SIGKILL at random points of a stream of pushes: what was acknowledged is there, once.

use std::sync::atomic::{AtomicBool, Ordering};

use plasma::sim::Rng;
use plasma::store::SqlConnection as _;
use plasma::store::sqlite::{SqliteConnection, SqliteOptions};
use plasma_runtime::value::Kind;

use super::child::Serving;
use super::raw::{create, create_todo_list, push, push_body_of, uuid};

const CLIENT: &str = "the-client";

/// What is killed: the schema's version, a mutation of it, and the table each mutation adds a row to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    version: &'static str,
    mutation: fn(u64) -> serde_json::Value,
    table: &'static str,
    start: fn(&std::path::Path) -> Serving,
}

/// The simulator's application.
pub(super) const LISTS: Target = Target { version: "sim-1", mutation: create, table: "entries", start: Serving::start };
/// The to-do example.
const TODO: Target = Target { version: "todo-1", mutation: create_todo_list, table: "lists", start: Serving::todo };

/// Checks a server's database: sound, and the effects of exactly these mutations are there, each once, in order.
pub(super) fn check(target: Target, store: &std::path::Path, acknowledged: u64, sent: u64) {
    let mut db = SqliteConnection::open(store, SqliteOptions::default()).expect("opens after a kill");
    let sound = db.query("PRAGMA quick_check", &[], &[Kind::Text]).expect("runs");
    assert_eq!(sound[0][0].as_text(), Some("ok"), "the database is damaged");
    let table = target.table;
    let rows = db.query(&format!("SELECT id FROM {table} ORDER BY id"), &[], &[Kind::Text]).expect("reads");
    let there: Vec<_> = rows.iter().filter_map(|row| row[0].as_text()).collect();
    let expected: Vec<_> = (1..=there.len() as u64).map(uuid).collect();
    assert_eq!(there, expected, "the effects are not those of the first mutations");
    assert!(there.len() as u64 >= acknowledged, "{acknowledged} were acknowledged, {} are there", there.len());
    assert!(there.len() as u64 <= sent, "{sent} were sent, {} are there", there.len());
    let log = db
        .query(
            "SELECT row_id FROM _plasma_changes WHERE table_name = ?1 ORDER BY row_version",
            &[table.into()],
            &[Kind::Text],
        )
        .expect("reads");
    let logged: Vec<_> = log.iter().filter_map(|row| row[0].as_text()).collect();
    assert_eq!(logged, there, "log and table differ");
    let ledger =
        db.query("SELECT last_mutation_id FROM _plasma_client_mutations", &[], &[Kind::BigInt]).expect("reads");
    let last = ledger.first().and_then(|row| row[0].as_int()).unwrap_or(0);
    assert_eq!(last, there.len() as i64, "ledger and effects differ");
}

/// Pushes mutations from `next` on, some at a time, until `total` are acknowledged or the server is gone. Returns the
/// last acknowledged, and the last sent.
pub(super) fn stream(
    target: Target,
    address: std::net::SocketAddr,
    mut acknowledged: u64,
    total: u64,
    rng: &mut Rng,
) -> (u64, u64) {
    let mut sent = acknowledged;
    while acknowledged < total {
        let last = (acknowledged + rng.between(1, 5)).min(total);
        // From the first unacknowledged on: what was committed without an answer must be recognised.
        let mutations: Vec<_> = (acknowledged + 1..=last).map(target.mutation).collect();
        sent = sent.max(last);
        let Some(answer) = push(address, &push_body_of(target.version, CLIENT, &mutations)) else {
            return (acknowledged, sent);
        };
        match answer.status {
            200 => {
                let body = answer.json();
                for result in body["results"].as_array().expect("results") {
                    let applied = result["status"] == "applied" || result["was"] == "applied";
                    assert!(applied, "not applied: {result}");
                }
                acknowledged = body["lastMutationID"].as_u64().expect("an id").max(acknowledged);
            }
            503 => return (acknowledged, sent),
            status => panic!("status {status}: {}", String::from_utf8_lossy(&answer.body)),
        }
    }
    (acknowledged, sent)
}

#[test]
fn what_was_acknowledged_survives_sigkill_once() {
    kill_and_check(LISTS, if std::env::var_os("PLASMA_DEEP").is_some() { 100 } else { 6 });
}

#[test]
fn what_todo_serve_acknowledged_survives_sigkill_once() {
    kill_and_check(TODO, if std::env::var_os("PLASMA_DEEP").is_some() { 100 } else { 6 });
}

fn kill_and_check(target: Target, rounds: u32) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("server.db");
    let mut rng = Rng::new(11);
    let (mut acknowledged, mut most_sent) = (0, 0);
    for round in 0..rounds {
        let server = (target.start)(&store);
        let address = server.address;
        let stop_after = acknowledged + rng.between(1, 40);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let mut own = rng.fork();
            let over = &over;
            let streaming = scope.spawn(move || {
                let ended = stream(target, address, acknowledged, u64::MAX >> 20, &mut own);
                over.store(true, Ordering::Release);
                ended
            });
            // Watches the file from outside to choose the moment; no clock decides.
            let mut watcher =
                SqliteConnection::open(&store, SqliteOptions { read_only: true, ..SqliteOptions::default() })
                    .expect("a reader");
            loop {
                let count = watcher
                    .query(&format!("SELECT count(*) FROM {}", target.table), &[], &[Kind::BigInt])
                    .ok()
                    .and_then(|rows| rows.first()?[0].as_int())
                    .unwrap_or(0);
                if count as u64 >= stop_after || over.load(Ordering::Acquire) {
                    break;
                }
            }
            server.kill();
            let (last, sent) = streaming.join().expect("the stream ends with the server");
            acknowledged = last;
            most_sent = most_sent.max(sent);
        });
        check(target, &store, acknowledged, most_sent);
        eprintln!("round {round}: {acknowledged} acknowledged, {most_sent} sent");
    }
    // The end: everything that was sent arrives, once.
    let server = (target.start)(&store);
    let (last, _) = stream(target, server.address, acknowledged, most_sent.max(acknowledged + 3), &mut rng);
    assert_eq!(last, most_sent.max(acknowledged + 3));
    server.kill();
    check(target, &store, last, last);
}
