//! Clocks of devices that are set forward and back.

use serde_json::json;

use super::support::*;
use crate::client::event::Event;
use crate::client::status::Stuck;
use crate::store::sqlite::SqliteConnection;

const DAY_MS: i64 = 24 * 3_600 * 1_000;

fn started() -> Client {
    let mut client = Client::with(crate::client::EngineOptions { long_poll_ms: 0, ..plain_options() });
    client.event(Event::Start);
    client
}

/// Found by the simulator: a failed push was tried again a day later.
#[test]
fn a_clock_that_is_set_back_does_not_make_waits_longer() {
    let mut client = started();
    client.mutate("list.add", json!({ "id": id(1), "name": "one" }));
    let (push, pull) = (client.take_push(), client.take_pull());
    client.fail(&push);
    client.fail(&pull);
    client.now -= DAY_MS;
    client.event(Event::Tick);
    let wake = client.wake_at.expect("it waits for the next attempt");
    assert!(wake - client.now <= 30_000, "the next attempt is {} ms away", wake - client.now);
    for _ in 0..3 {
        client.wait();
    }
    assert_eq!(client.take_push().ids(), [1]);
    client.take_pull();
}

#[test]
fn a_request_that_was_never_answered_is_given_up_in_time() {
    let mut client = started();
    client.take_pull();
    client.now -= DAY_MS;
    client.event(Event::Tick);
    assert!(client.wake_at.expect("the watchdog") - client.now <= 180_000);
    for _ in 0..20 {
        client.wait();
        if !client.sent.is_empty() {
            return;
        }
    }
    panic!("it never asks again");
}

#[test]
fn a_clock_that_is_set_forward_only_hurries() {
    let mut client = started();
    client.mutate("list.add", json!({ "id": id(1), "name": "one" }));
    let push = client.take_push();
    client.now += DAY_MS;
    client.event(Event::Tick);
    // The watchdog has given the first attempt up; its key makes the second one harmless.
    while !client.sent.iter().any(Sent::is_push) {
        client.wait();
    }
    let again = client.take_push();
    assert_eq!(again.ids(), push.ids());
    client.answer(&again, 200, applied(&again));
    assert_eq!(client.engine.status(client.now).pending, 0);
}

/// The lease of a process that died is in the store, and its end by a clock that was ahead.
#[test]
fn a_lease_that_was_taken_by_a_clock_ahead_ends_soon() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let open = || SqliteConnection::open(&file, Default::default()).unwrap();
    let mut first = Client::over(open(), plain_options()).unwrap();
    first.now += DAY_MS;
    first.event(Event::Start);
    drop(first);
    let mut second = Client::over_schema(open(), plain_options(), schema_for(&plain_options()), 2).unwrap();
    second.event(Event::Start);
    assert_eq!(second.engine.status(second.now).stuck, None);
    second.take_pull();

    // One that is a few minutes ahead, too.
    let mut third = Client::over_schema(open(), plain_options(), schema_for(&plain_options()), 3).unwrap();
    third.now -= 300_000;
    third.event(Event::Start);
    assert!(!matches!(third.engine.status(third.now).stuck, Some(Stuck::NotLeader { .. })));
}
