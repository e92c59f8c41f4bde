//! Disks that fail: the nth write, sync or truncation, and some after it, end with an error, as a program sees them. What
//! was said to be done is there after a power loss, what failed is said to have failed, and once the disk works again everything
//! goes on, in the same process.

use std::collections::HashSet;

use plasma::client::Durability;
use plasma::prelude::*;
use serde_json::json;

use super::client::Finder;
use super::disk::Image;
use super::parts::Run;
use super::recording::{Recorder, deep, put, temporary};
use super::replay::{Effort, Loss, replay};
use super::server::{self, Heard};
use super::world::{alone, runtime, serve, uuid};
use crate::sim::schema::Entry;

const WORK: u64 = 5;
/// More than any window of failures in which a program must come through.
const TRIES: u64 = 40;

/// A client that tries each mutation until it is done.
#[test]
#[ignore = "a part for a process of its own"]
fn client() {
    let Some(run) = Run::of("failing::client") else { return };
    runtime().block_on(async {
        let mut tries = 0;
        let client = loop {
            match alone(&run.folder.join("store.db"), Durability::Full).await {
                Ok(client) => break client,
                Err(error) => run.mark(&format!("refused {:?}", error.kind())),
            }
            tries += 1;
            if tries > TRIES {
                std::process::exit(0);
            }
        };
        run.mark("opened");
        for n in 1..=WORK {
            for _ in 0..TRIES {
                let args = json!({ "step": { "id": uuid(n) }, "id": uuid(n), "name": "a list" });
                let done = client.mutate_named("lists.create", &args).await;
                match &done {
                    Ok(_) => run.mark(&format!("returned {n}")),
                    Err(error) => run.mark(&format!("refused {:?}", error.kind())),
                }
                // Whatever was refused is not to be seen, and reads go on.
                let there = n - u64::from(done.is_err());
                match client.count(Entry::select()).await {
                    Ok(count) => assert_eq!(count, there),
                    Err(error) => assert_eq!(error.kind(), plasma::ErrorKind::Storage, "{error}"),
                }
                if done.is_ok() {
                    break;
                }
            }
        }
        std::process::exit(0);
    });
}

/// A server that is sent each push until it answers that it is done.
#[test]
#[ignore = "a part for a process of its own"]
fn server() {
    let Some(run) = Run::of("failing::server") else { return };
    runtime().block_on(async {
        let mut tries = 0;
        let server = loop {
            match serve(&run.folder.join("server.db")).await {
                Ok(server) => break server,
                Err(error) => run.mark(&format!("refused {:?}", error.kind())),
            }
            tries += 1;
            if tries > TRIES {
                std::process::exit(0);
            }
        };
        run.mark("opened");
        for n in 1..=WORK {
            run.mark(&format!("sent {n}"));
            for _ in 0..TRIES {
                let answer = server.respond(server::push(n, n)).await;
                let body = String::from_utf8_lossy(&answer.body);
                if answer.status == 200 {
                    assert!(body.contains("applied"), "{body}");
                    run.mark(&format!("answered {n}"));
                    break;
                }
                run.mark(&format!("refused {}", if answer.status == 503 { "Storage" } else { &body }));
            }
        }
        std::process::exit(0);
    });
}

/// Runs the part with every kind of failure at sampled points, and looks at what it leaves.
fn with_failures(part: &str, done: &str, mut look: impl FnMut(&Loss<'_>) -> Result<(), String>) {
    let Some(recorder) = Recorder::new() else { return };
    let run = |at: u64, count: u64, how: &str| {
        let (folder, keep) = (temporary(), temporary());
        let mut command = recorder.command(part, folder.path(), keep.path(), "full");
        command.env("FAIL_AT", at.to_string()).env("FAIL_COUNT", count.to_string()).env("FAIL_HOW", how);
        recorder.log(&mut command).0
    };
    let changes = |event: &super::log::Event| {
        use super::log::Event::*;
        matches!(event, Written { .. } | Truncated { .. } | Synced { .. })
    };
    let total = run(u64::MAX >> 1, 1, "eio").iter().filter(|event| changes(event)).count() as u64;
    let (mut runs, mut refusals, mut images) = (0, 0, 0);
    let step = if deep() { 1 } else { (total / 4).max(1) };
    for (turn, at) in (2..=total).step_by(step as usize).enumerate() {
        let hows = [("eio", 1), ("enospc", 4), ("short", 2), ("eintr", 1), ("eio", u64::MAX >> 1), ("eio", 3)];
        for (index, (how, count)) in hows.into_iter().enumerate() {
            if !deep() && index % 3 != turn % 3 {
                continue;
            }
            let events = run(at, count, how);
            let marks: Vec<_> = events
                .iter()
                .filter_map(|event| match event {
                    super::log::Event::Mark(mark) => Some(mark.as_str()),
                    _ => None,
                })
                .collect();
            let refused = marks.iter().filter(|mark| mark.starts_with("refused")).count();
            assert!(marks.iter().all(|mark| !mark.starts_with("refused") || *mark == "refused Storage"), "{marks:?}");
            if count < TRIES {
                let all = format!("{done} {WORK}");
                assert!(marks.contains(&all.as_str()), "{how} at {at}, {count} times: it did not come back: {marks:?}");
            }
            (runs, refusals) = (runs + 1, refusals + refused);
            let effort = if deep() {
                Effort { stride: 2, between: 20, by_chance: 2 }
            } else {
                Effort { stride: 7, between: 60, by_chance: 1 }
            };
            images += replay(Image::new(), &events, effort, at, |loss| {
                look(loss).unwrap_or_else(|why| panic!("{how} at {at}, {count} times: {why}\n{}", loss.place()));
            })
            .images;
        }
    }
    eprintln!("{part}: {total} calls, {runs} runs with failures, {refusals} refusals, {images} images");
    assert!(refusals > 0 && images > 20);
}

#[test]
fn a_client_on_a_failing_disk_says_so_and_loses_nothing() {
    let mut finder = Finder::new(Durability::Full, 0);
    with_failures("failing::client", "returned", |loss| {
        let found = finder.find(loss.image)?;
        let returned = loss.said("returned ").unwrap_or(0);
        // What failed may be there all the same: a phantom, never a hole.
        if found.last < returned || found.last > returned + 1 {
            return Err(format!("{returned} have returned, {} are there", found.last));
        }
        Ok(())
    });
}

#[test]
fn a_server_on_a_failing_disk_says_so_and_loses_nothing() {
    let found = temporary();
    let mut tried = HashSet::new();
    with_failures("failing::server", "answered", |loss| {
        let (sent, answered) = (loss.said("sent ").unwrap_or(0), loss.said("answered ").unwrap_or(0));
        put(loss.image, found.path());
        server::check(&found.path().join("server.db"), &Heard { sent, answered, device: None }, &mut tried)
    });
}
