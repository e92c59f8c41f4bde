//! Compaction is killed in the middle, again and again: the whole process, or its connections. Afterwards devices that stood
//! above the bound, among the folded entries and below the floor hold what the server holds, and the work goes on.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value as Json;

use super::child::{Serving, command, keeps};
use super::raw::{Answer, create, exchange, push, push_body, request};
use crate::place::{Data, Place};

const CLIENT: &str = "the-writer";

/// A device without a store.
#[derive(Debug, Clone, Default)]
struct Device {
    cookie: Option<String>,
    rows: BTreeMap<(String, String), Json>,
    staged: Vec<Json>,
    /// It was sent everything.
    reset: bool,
}

impl Device {
    fn caught_up(address: SocketAddr) -> Self {
        let mut device = Device::default();
        device.catch_up(address);
        device
    }

    fn catch_up(&mut self, address: SocketAddr) {
        self.reset = false;
        while self.pull(address) {}
    }

    /// Takes a page; false after the last one.
    fn pull(&mut self, address: SocketAddr) -> bool {
        let cookie = self.cookie.as_ref().map(|cookie| format!("&cookie={}", cookie.replace(':', "%3A")));
        let target = format!(
            "/sync/pull?protocolVersion=1&schemaVersion=sim-1&clientGroupID=user0&clientID=device&limit=1000{}",
            cookie.unwrap_or_default()
        );
        let answer: Answer = exchange(address, &request("GET", &target, &[("authorization", "Bearer user0")], b""))
            .expect("the server answers");
        let page = answer.json();
        assert_eq!(answer.status, 200, "{page}");
        self.cookie = page["cookie"].as_str().map(str::to_owned);
        self.staged.extend(page["patch"].as_array().expect("a patch").iter().cloned());
        if page["partial"] == false {
            for op in std::mem::take(&mut self.staged) {
                self.apply(&op);
            }
        }
        page["hasMore"] == true
    }

    fn apply(&mut self, op: &Json) {
        let text = |member: &str| op[member].as_str().unwrap_or_default().to_owned();
        match (op["op"].as_str(), op["table"].as_str()) {
            (Some("clear"), None) => {
                self.rows.clear();
                self.reset = true;
            }
            (Some("clear"), Some(table)) => self.rows.retain(|(of, _), _| of != table),
            (Some("put"), _) => drop(self.rows.insert((text("table"), text("id")), op["value"].clone())),
            (Some("del"), _) => drop(self.rows.remove(&(text("table"), text("id")))),
            other => panic!("an unknown operation: {other:?}"),
        }
    }
}

/// Pushes mutations up to this one.
fn write(address: SocketAddr, from: u64, to: u64) {
    for first in (from..=to).step_by(100) {
        let mutations: Vec<_> = (first..=to.min(first + 99)).map(create).collect();
        let answer = push(address, &push_body(CLIENT, &mutations)).expect("the server answers");
        assert_eq!(answer.status, 200, "{}", answer.json());
    }
}

/// Devices by where they stand when the log is compacted by [`keeps`].
struct Standing {
    below_the_floor: Device,
    folded: Device,
    above_the_bound: Device,
}

/// Fills the log: mutations, and transactions of another program over whole tables.
fn history(data: &Data) -> Standing {
    let server = Serving::start(data);
    let address = server.address;
    write(address, 1, 300);
    let below_the_floor = Device::caught_up(address);
    data.sql("UPDATE lists SET name = name || '!'; UPDATE entries SET counted = 'once'");
    data.sql("DELETE FROM entries WHERE id LIKE '%7'; DELETE FROM lists WHERE id LIKE '%8'");
    write(address, 301, 700);
    let earlier = Device::caught_up(address);
    write(address, 701, 900);
    data.sql("UPDATE entries SET counted = 'twice'; UPDATE lists SET name = name || '?'");
    write(address, 901, 910);
    let later = Device::caught_up(address);
    // On SQLite every entry is a position, on Postgres every transaction.
    let folded = if matches!(data, Data::Sqlite(_)) { later } else { earlier };
    data.sql("DELETE FROM entries WHERE id LIKE '%3'");
    write(address, 911, 1_050);
    let above_the_bound = Device::caught_up(address);
    data.sql("UPDATE lists SET name = 'last' WHERE id LIKE '%1'; DELETE FROM entries WHERE id LIKE '%a1'");
    server.kill();
    Standing { below_the_floor, folded, above_the_bound }
}

/// How far the compaction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    bound: u64,
    floor: u64,
    done: u64,
    within: u64,
    folded: u64,
}

fn state(data: &Data) -> Option<State> {
    let value = |key: &str| data.texts(&format!("SELECT value FROM _plasma_meta WHERE key = '{key}'")).pop();
    let state: Json = serde_json::from_str(&value("compaction_state")?).expect("JSON");
    let number = |member: &str| state[member].as_u64().expect("a number");
    let bound = value("compaction_bound")?.parse().expect("a number");
    let (floor, done, within, folded) = (number("floor"), number("done"), number("within"), number("folded"));
    Some(State { bound, floor, done, within, folded })
}

fn is_over(data: &Data) -> bool {
    let table = if matches!(data, Data::Sqlite(_)) { "_plasma_changes" } else { "_plasma_commits" };
    state(data).is_some_and(|state| {
        let below = format!("SELECT count(*) FROM {table} WHERE row_version < {}", state.floor);
        state.done + 1 == state.bound && state.folded <= keeps().keep_folded && data.integers(&below) == [0]
    })
}

/// Everybody, pulled to the head, holds what is there.
fn check(data: &Data, standing: &Standing) {
    let server = Serving::start(data);
    let fresh = Device::caught_up(server.address);
    for table in ["lists", "entries"] {
        let there = data.texts(&format!("SELECT id FROM {table} ORDER BY id"));
        let held: Vec<_> = fresh.rows.keys().filter(|(of, _)| of == table).map(|(_, id)| id.clone()).collect();
        assert_eq!(held, there, "{table}");
    }
    let Standing { below_the_floor, folded, above_the_bound } = standing;
    for device in [below_the_floor, folded, above_the_bound] {
        let mut device = device.clone();
        device.catch_up(server.address);
        assert!(device.rows == fresh.rows, "it holds {} rows, {} are there", device.rows.len(), fresh.rows.len());
    }
    let reset = |device: &Device| {
        let mut device = device.clone();
        device.catch_up(server.address);
        device.reset
    };
    assert!(!reset(folded) && !reset(above_the_bound), "who stands at or above the floor is told what is new");
    server.kill();
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
fn a_compaction_that_is_killed_loses_nothing_and_goes_on(place: Place) {
    let Some(data) = place.data() else { return };
    let standing = history(&data);
    let mut in_the_middle = 0;
    for _ in 0..if std::env::var_os("PLASMA_DEEP").is_some() { 40 } else { 5 } {
        let before = state(&data);
        let server = Serving::of(command("compact", data.address(), 0)).expect("it starts");
        // No clock decides: as soon as it has done anything.
        while state(&data) == before && !is_over(&data) {}
        server.kill();
        let over = is_over(&data);
        in_the_middle += u32::from(!over);
        check(&data, &standing);
        if over {
            break;
        }
    }
    assert!(in_the_middle > 0, "it was never killed in the middle");
    let server = Serving::of(command("compact", data.address(), 0)).expect("it starts");
    while !is_over(&data) {}
    server.kill();
    check(&data, &standing);
    let state = state(&data).expect("it was compacted");
    let mut late = standing.below_the_floor.clone();
    let server = Serving::start(&data);
    late.catch_up(server.address);
    assert!(state.floor > 300 && late.reset, "below the floor everything is sent: {state:?}");
}

/// The process lives, and its connections are ended under it.
#[test]
fn a_compaction_whose_connections_are_ended_loses_nothing_and_goes_on() {
    let Some(data) = Place::Postgres.data() else { return };
    let standing = history(&data);
    let server = Serving::of(command("compact", data.address(), 0)).expect("it starts");
    let mut ended = 0;
    while !is_over(&data) {
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
            AND pid <> pg_backend_pid() AND (query LIKE '%_plasma_folded%' OR query LIKE '%compaction_%')";
        if ended < 20 {
            ended += data.integers(sql)[0];
        }
    }
    server.kill();
    assert!(ended > 0, "no connection was ended");
    check(&data, &standing);
}
