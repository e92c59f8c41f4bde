//! The process dies at the nth durable call (write, sync, truncate, unlink, rename), before or after it.
//!
//! Sampled in a normal run; every point with `PLASMA_DEEP=1`.

use std::process::Command;

use plasma::sim::Rng;
use plasma::store::SqlConnection as _;
use plasma::store::sqlite::{SqliteConnection, SqliteOptions};
use plasma_runtime::value::Kind;

use super::child::{Serving, command};
use super::kill::{LISTS, check, stream};
use super::shim;
use crate::place::Place;

/// The points to kill at.
fn points(total: u64) -> impl Iterator<Item = (u64, &'static str)> {
    let step = if std::env::var_os("PLASMA_DEEP").is_some() { 1 } else { (total / 12).max(1) };
    (1..=total).step_by(step as usize).flat_map(|point| [(point, "before"), (point, "after")])
}

fn counted(stderr: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(stderr);
    text.lines()
        .find_map(|line| line.strip_prefix("durable calls: ")?.trim().parse().ok())
        .unwrap_or_else(|| panic!("the shim did not count: {text}"))
}

#[test]
fn a_client_loses_nothing_mutate_has_returned_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(shim) = shim::build("killsync.c", folder.path()) else { return };
    const MUTATIONS: usize = 8;
    let whole = command("mutate", folder.path().join("whole.db"), MUTATIONS)
        .env("LD_PRELOAD", &shim)
        .env("COUNT", "1")
        .output()
        .expect("runs");
    assert!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));
    let total = counted(&whole.stderr);
    assert!(total >= MUTATIONS as u64, "only {total} durable calls for {MUTATIONS} mutations");
    let mut killed = 0;
    for (point, when) in points(total) {
        let store = folder.path().join(format!("{point}-{when}.db"));
        let run =
            |mut command: Command| command.env("LD_PRELOAD", &shim).env("KILL_WHEN", when).output().expect("runs");
        let mut first = command("mutate", &store, MUTATIONS);
        first.env("KILL_AT", point.to_string());
        let first = run(first);
        killed += usize::from(first.status.code() == Some(137));
        // And once more while it recovers.
        let mut second = command("mutate", &store, 2);
        second.env("KILL_AT", (1 + point % 5).to_string());
        let second = run(second);
        let said = String::from_utf8_lossy(&first.stdout).into_owned() + &String::from_utf8_lossy(&second.stdout);
        let returned: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("returned ")).collect();
        let mut db = SqliteConnection::open(&store, SqliteOptions::default()).expect("opens after a kill");
        let sound = db.query("PRAGMA quick_check", &[], &[Kind::Text]).expect("runs");
        assert_eq!(sound[0][0].as_text(), Some("ok"), "damaged by a kill {when} call {point}");
        let mut ids = |sql: &str| -> Vec<String> {
            match db.query(sql, &[], &[Kind::Text]) {
                Ok(rows) => rows.iter().filter_map(|row| row[0].as_text().map(str::to_owned)).collect(),
                // The very first calls come before the tables.
                Err(_) => Vec::new(),
            }
        };
        let rows = ids("SELECT id FROM entries");
        let queued = ids("SELECT json_extract(args, '$.id') FROM _plasma_outbox ORDER BY id");
        for id in returned {
            assert!(rows.iter().any(|row| row == id), "the effect of {id} is gone: kill {when} call {point}");
            assert!(queued.iter().any(|row| row == id), "{id} is not queued: kill {when} call {point}");
        }
        assert_eq!(rows.len(), queued.len(), "effects and queue differ: kill {when} call {point}");
    }
    eprintln!("client: {total} durable calls, {killed} kills");
    assert!(killed > 5, "only {killed} kills");
}

#[test]
fn a_server_loses_nothing_it_has_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(shim) = shim::build("killsync.c", folder.path()) else { return };
    const MUTATIONS: u64 = 6;
    // A server is killed, never ends, so that its calls cannot be counted by itself: points are tried until one is
    // beyond the end.
    let deep = std::env::var_os("PLASMA_DEEP").is_some();
    let (mut point, mut killed) = (1_u64, 0);
    loop {
        let mut reached = false;
        for when in ["before", "after"] {
            let data = Place::Sqlite.data().expect("SQLite is always there");
            let mut command = command("serve", data.address(), 0);
            command.env("LD_PRELOAD", &shim).env("KILL_AT", point.to_string()).env("KILL_WHEN", when);
            let (mut acknowledged, mut sent) = (0, 0);
            match Serving::of(command) {
                None => reached = true,
                Some(server) => {
                    (acknowledged, sent) = stream(LISTS, server.address, 0, MUTATIONS, &mut Rng::new(point));
                    reached |= acknowledged < MUTATIONS;
                    server.kill();
                }
            }
            killed += u32::from(reached);
            // What is left must carry on, and the same mutations must end up there once.
            let server = Serving::start(&data);
            check(LISTS, &data, acknowledged, sent);
            let (last, _) = stream(LISTS, server.address, acknowledged, MUTATIONS, &mut Rng::new(point + 1));
            assert_eq!(last, MUTATIONS, "kill {when} call {point}");
            server.kill();
            check(LISTS, &data, MUTATIONS, MUTATIONS);
        }
        if !reached {
            break;
        }
        point += if deep { 1 } else { 9 };
    }
    eprintln!("server: {point} durable calls, {killed} kills");
    assert!(killed > 5, "only {killed} kills");
}
