//! SIGKILL at random points of a stream of pushes: what was acknowledged is there, once.

use std::sync::atomic::{AtomicBool, Ordering};

use plasma::sim::Rng;

use super::child::Serving;
use super::raw::{create, create_todo_list, push, push_body_of, uuid};
use crate::place::{Data, Place};

const CLIENT: &str = "the-client";

/// What is killed: the schema's version, a mutation of it, and the table each mutation adds a row to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    version: &'static str,
    mutation: fn(u64) -> serde_json::Value,
    table: &'static str,
    start: fn(&Data) -> Serving,
}

/// The simulator's application.
pub(super) const LISTS: Target = Target { version: "sim-1", mutation: create, table: "entries", start: Serving::start };
/// The to-do example.
const TODO: Target = Target { version: "todo-1", mutation: create_todo_list, table: "lists", start: Serving::todo };

/// Checks a server's database: sound, and the effects of exactly these mutations are there, each once, in order.
pub(super) fn check(target: Target, data: &Data, acknowledged: u64, sent: u64) {
    let table = target.table;
    let order = match data {
        Data::Sqlite(_) => {
            assert_eq!(data.texts("PRAGMA quick_check"), ["ok"], "the database is damaged");
            "FROM _plasma_changes c WHERE table_name = '{table}' ORDER BY row_version"
        }
        // What nobody has sequenced yet is behind the rest.
        Data::Postgres(_) => {
            "FROM _plasma_changes c JOIN _plasma_commits u USING (unit) WHERE table_name = '{table}' \
             ORDER BY u.row_version NULLS LAST, u.last_seq, c.seq"
        }
    };
    let there = data.texts(&format!("SELECT id FROM {table} ORDER BY id"));
    let expected: Vec<_> = (1..=there.len() as u64).map(uuid).collect();
    assert_eq!(there, expected, "the effects are not those of the first mutations");
    assert!(there.len() as u64 >= acknowledged, "{acknowledged} were acknowledged, {} are there", there.len());
    assert!(there.len() as u64 <= sent, "{sent} were sent, {} are there", there.len());
    let logged = data.texts(&format!("SELECT c.row_id {}", order.replace("{table}", table)));
    assert_eq!(logged, there, "log and table differ");
    let ledger = data.integers("SELECT last_mutation_id FROM _plasma_client_mutations");
    assert_eq!(ledger.first().copied().unwrap_or(0), there.len() as i64, "ledger and effects differ");
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

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
fn what_was_acknowledged_survives_sigkill_once(place: Place) {
    kill_and_check(LISTS, if std::env::var_os("PLASMA_DEEP").is_some() { 100 } else { 6 }, place);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
fn what_todo_serve_acknowledged_survives_sigkill_once(place: Place) {
    kill_and_check(TODO, if std::env::var_os("PLASMA_DEEP").is_some() { 100 } else { 6 }, place);
}

fn kill_and_check(target: Target, rounds: u32, place: Place) {
    let Some(data) = place.data() else { return };
    let data = &data;
    let mut rng = Rng::new(11);
    let (mut acknowledged, mut most_sent) = (0, 0);
    for round in 0..rounds {
        let server = (target.start)(data);
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
            // Watches the table from outside to choose the moment; no clock decides.
            let count = format!("SELECT count(*) FROM {}", target.table);
            while (data.integers(&count)[0] as u64) < stop_after && !over.load(Ordering::Acquire) {}
            server.kill();
            let (last, sent) = streaming.join().expect("the stream ends with the server");
            acknowledged = last;
            most_sent = most_sent.max(sent);
        });
        check(target, data, acknowledged, most_sent);
        eprintln!("round {round}: {acknowledged} acknowledged, {most_sent} sent");
    }
    // The end: everything that was sent arrives, once.
    let server = (target.start)(data);
    let (last, _) = stream(target, server.address, acknowledged, most_sent.max(acknowledged + 3), &mut rng);
    assert_eq!(last, most_sent.max(acknowledged + 3));
    server.kill();
    check(target, data, last, last);
}
