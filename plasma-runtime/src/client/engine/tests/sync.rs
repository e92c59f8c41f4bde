//! The loop: what goes out when, what every answer does, and every reason why nothing moves.

use serde_json::json;

use super::support::*;
use crate::client::engine::{EngineOptions, OnMismatch};
use crate::client::event::Event;
use crate::client::outcomes::OutcomeStatus;
use crate::client::status::Stuck;

fn started() -> Client {
    let mut client = Client::new();
    client.event(Event::Start);
    let pull = client.take_pull();
    let page = client.page(vec![json!({ "op": "clear" })], None, vec![]);
    client.answer(&pull, 200, page);
    client
}

fn add(client: &mut Client, n: u32) {
    client.mutate("list.add", json!({ "id": id(n), "name": format!("list {n}") }));
}

fn stuck(client: &Client) -> Option<Stuck> {
    client.engine.status(client.now).stuck
}

fn error(code: &str) -> serde_json::Value {
    json!({ "error": code, "message": "because" })
}

#[test]
fn a_mutation_goes_up_and_comes_back() {
    let mut client = started();
    assert_eq!(stuck(&client), None);
    add(&mut client, 1);
    let push = client.take_push();
    let body = push.body();
    assert_eq!(body["clientGroupID"], "alice");
    assert_eq!(body["protocolVersion"], 1);
    assert_eq!(body["settled"], 0);
    assert_eq!(body["mutations"][0]["name"], "list.add");
    assert_eq!(body["mutations"][0]["args"], json!({ "id": id(1), "name": "list 1" }));
    assert_eq!(body["mutations"][0]["timestamp"], client.now);
    assert!(client.engine.status(client.now).uploading);
    // What is made meanwhile waits for the answer.
    add(&mut client, 2);
    assert!(!client.sent.iter().any(Sent::is_push));
    client.answer(&push, 200, applied(&push));
    let key = client.engine.outbox(&mut client.store).unwrap()[0].key;
    assert!(client.progress.contains(&(key, "ok".into())));
    assert_eq!(client.engine.status(client.now).pending, 1);
    assert_eq!(client.engine.status(client.now).unobserved, 2);
    let second = client.take_push();
    assert_eq!(second.ids(), [2]);
    assert_eq!(second.body()["settled"], 1);
    // A pull was held all the time: the acknowledgement releases it.
    let pull = client.take_pull();
    assert_eq!(pull.param("wait").as_deref(), Some("25000"));
    let page = client.page(vec![put_list(1, "list 1")], Some(1), vec![]);
    client.answer(&pull, 200, page);
    assert!(client.progress.contains(&(key, "observed".into())));
    assert_eq!(client.engine.status(client.now).unobserved, 1);
}

#[test]
fn answers_come_once_and_to_the_one_who_asked() {
    let mut client = started();
    add(&mut client, 1);
    let push = client.take_push();
    let answer = applied(&push);
    client.answer(&push, 200, answer.clone());
    let before = client.progress.len();
    client.answer(&push, 200, answer);
    assert_eq!(client.progress.len(), before, "a duplicate answer says nothing new");
    // A page that was asked from another cookie is dropped.
    let pull = client.take_pull();
    let stale = client.page(vec![put_list(7, "stale")], None, vec![]);
    client.engine.pull.in_flight.as_mut().unwrap().what.cookie = Some("c2:other".into());
    client.answer(&pull, 200, stale);
    assert_eq!(client.texts(&LISTS, "name"), ["list 1"]);
    assert!(client.sent.iter().any(|sent| !sent.is_push()), "and it is asked for again");
}

#[test]
fn a_success_that_decides_nothing_is_no_success() {
    let mut client = started();
    add(&mut client, 1);
    let push = client.take_push();
    client.answer(&push, 200, json!({ "ok": true, "lastMutationID": 0, "results": [] }));
    assert!(matches!(stuck(&client), Some(Stuck::Backoff { .. })));
    assert_eq!(client.engine.status(client.now).pending, 1);
}

#[test]
fn a_duplicate_ends_as_it_ended_the_first_time() {
    let mut client = started();
    for n in 1..=3 {
        add(&mut client, n);
    }
    let push = client.take_push();
    client.answer(&push, 200, json!({ "ok": true, "lastMutationID": 1, "results": [
        { "id": 1, "status": "duplicate", "was": "rejected", "error": { "code": "unauthorized", "message": "no" } } ] }));
    let push = client.take_push();
    client.answer(
        &push,
        200,
        json!({ "ok": true, "lastMutationID": 3, "results": [
        { "id": 2, "status": "duplicate", "was": "applied" }, { "id": 3, "status": "duplicate" } ] }),
    );
    let ends: Vec<_> = client.engine.outcomes(&mut client.store).unwrap().iter().map(|o| (o.id, o.status)).collect();
    assert_eq!(ends, [(1, OutcomeStatus::Rejected), (2, OutcomeStatus::Applied)]);
    // A duplicate that does not say how it ended is not taken for a success, ever.
    client.pull(vec![], Some(3));
    let last = client.engine.outcomes(&mut client.store).unwrap().pop().unwrap();
    assert_eq!((last.id, last.status), (3, OutcomeStatus::Unknown));
}

#[test]
fn stuck_without_a_server() {
    let mut client = Client::with(EngineOptions::default());
    client.event(Event::Start);
    add(&mut client, 1);
    assert_eq!(stuck(&client), Some(Stuck::NoServer));
    assert_eq!(client.sent.len(), 0);
    assert_eq!(client.engine.status(client.now).pending, 1, "a server may come later");
    let mut client = Client::with(EngineOptions { group: None, ..options() });
    client.event(Event::Start);
    assert_eq!(stuck(&client), Some(Stuck::NoGroup));
}

#[test]
fn stuck_while_stopped_or_offline() {
    let mut client = Client::new();
    add(&mut client, 1);
    assert_eq!(stuck(&client), Some(Stuck::Stopped));
    assert_eq!(client.sent.len(), 0);
    client.event(Event::PushNow);
    assert_eq!(client.take_push().ids(), [1], "by hand it works while stopped");
    let mut client = started();
    client.event(Event::SetOffline(true));
    assert_eq!(stuck(&client), Some(Stuck::Offline));
    assert!(!client.engine.status(client.now).online);
    add(&mut client, 1);
    client.event(Event::PushNow);
    assert!(!client.sent.iter().any(Sent::is_push));
    client.event(Event::SetOffline(false));
    assert_eq!(client.take_push().ids(), [1]);
    client.event(Event::Stop);
    assert_eq!(stuck(&client), Some(Stuck::Stopped));
}

#[test]
fn stuck_on_the_network_backs_off_and_never_gives_up() {
    let mut client = started();
    client.sent.clear();
    add(&mut client, 1);
    let mut delays = Vec::new();
    for _ in 0..12 {
        let push = client.take_push();
        client.fail(&push);
        let Some(Stuck::Backoff { until }) = stuck(&client) else { panic!("{:?}", stuck(&client)) };
        delays.push(until - client.now);
        assert!(!client.engine.status(client.now).online);
        assert_eq!(client.engine.status(client.now).last_error.as_ref().unwrap().code, "network");
        client.now = until;
        client.event(Event::Tick);
    }
    for (n, delay) in delays[..4].iter().enumerate() {
        assert!((0..=500 << n).contains(delay), "{delays:?}");
    }
    assert!((2_500..=7_500).contains(&delays[4]), "{delays:?}");
    assert!((30_000..=90_000).contains(&delays[11]), "{delays:?}");
    let push = client.take_push();
    client.answer(&push, 200, applied(&push));
    // The pull that was held all the time was given up meanwhile; it recovers too.
    client.now = client.engine.pull.not_before.max(client.now);
    client.event(Event::Tick);
    let pull = client.take_pull();
    let page = client.page(vec![], None, vec![]);
    client.answer(&pull, 200, page);
    assert_eq!(stuck(&client), None);
    assert!(client.engine.status(client.now).online);
    assert_eq!(client.engine.status(client.now).last_error, None);
}

#[test]
fn a_captive_portal_is_the_network() {
    for (status, body) in [(200, "<html>Welcome</html>"), (404, "<html>no</html>"), (302, ""), (204, "")] {
        let mut client = started();
        add(&mut client, 1);
        let (push, pull) = (client.take_push(), client.take_pull());
        client.answer_with(&push, status, &[], body.to_owned());
        assert!(matches!(stuck(&client), Some(Stuck::Backoff { .. })), "{status}");
        assert!(client.reports.contains(&("Network".into(), "network".into())));
        client.answer_with(&pull, status, &[], body.to_owned());
        assert_eq!(client.texts(&LISTS, "name"), ["list 1"]);
        assert_eq!(client.engine.status(client.now).pending, 1);
    }
}

#[test]
fn a_request_that_is_never_answered_is_given_up() {
    let mut client = started();
    add(&mut client, 1);
    let lost = client.take_push();
    client.advance(119_000);
    assert!(client.engine.status(client.now).uploading);
    client.advance(2_000);
    assert!(matches!(stuck(&client), Some(Stuck::Backoff { .. })));
    client.advance(60_000);
    let again = client.take_push();
    assert_eq!(again.ids(), [1]);
    // The late answer is not taken for the new request's.
    client.answer(&lost, 200, applied(&lost));
    assert_eq!(client.engine.status(client.now).pending, 1);
}

#[test]
fn stuck_unauthorized_after_fresh_credentials_were_refused_too() {
    let mut client = started();
    add(&mut client, 1);
    let push = client.take_push();
    assert!(!push.refresh_auth);
    client.answer(&push, 401, error("unauthorized"));
    let push = client.take_push();
    assert!(push.refresh_auth, "once at once, with fresh credentials");
    client.answer(&push, 401, error("unauthorized"));
    let Some(Stuck::Unauthorized { until }) = stuck(&client) else { panic!("{:?}", stuck(&client)) };
    client.now = until;
    client.event(Event::Tick);
    let push = client.take_push();
    assert!(push.refresh_auth);
    client.answer(&push, 200, applied(&push));
    assert_eq!(stuck(&client), None);
}

#[test]
fn stuck_on_another_schema_keeps_everything_and_keeps_asking() {
    let mut client = started();
    add(&mut client, 1);
    let push = client.take_push();
    client.answer(&push, 409, json!({ "error": "schema-mismatch", "message": "", "expected": "b", "got": "a" }));
    assert_eq!(stuck(&client), Some(Stuck::SchemaMismatch { expected: "b".into(), got: "a".into() }));
    assert!(client.reports.contains(&("SchemaMismatch".into(), "schema-mismatch".into())));
    assert_eq!(client.texts(&LISTS, "name"), ["list 1"]);
    add(&mut client, 2);
    client.advance(90_000);
    assert_eq!(client.take_push().ids(), [1, 2]);
}

#[test]
fn on_mismatch_reset_drops_the_base_and_keeps_the_queue() {
    let mut client = Client::with(EngineOptions { on_mismatch: OnMismatch::Reset, ..options() });
    client.begin();
    client.pull(vec![put_list(9, "theirs")], None);
    add(&mut client, 1);
    let id_before = client.engine.client_id(&mut client.store).unwrap();
    client.event(Event::PushNow);
    let push = client.take_push();
    client.answer(&push, 409, json!({ "error": "schema-mismatch", "message": "", "expected": "b", "got": "a" }));
    assert_eq!(client.texts(&LISTS, "name"), ["list 1"]);
    assert_eq!(client.engine.cookie(&mut client.store).unwrap(), None);
    assert_eq!(client.engine.client_id(&mut client.store).unwrap(), id_before);
    assert_eq!(client.engine.outbox(&mut client.store).unwrap().len(), 1);
}

#[test]
fn stuck_overloaded_honours_retry_after() {
    for status in [429, 503] {
        let mut client = started();
        add(&mut client, 1);
        let push = client.take_push();
        client.answer_with(&push, status, &[("retry-after", "17")], error("overloaded").to_string());
        assert_eq!(stuck(&client), Some(Stuck::Overloaded { until: client.now + 17_000 }));
        client.advance(16_999);
        assert!(!client.sent.iter().any(Sent::is_push));
        client.advance(1);
        assert_eq!(client.take_push().ids(), [1]);
    }
}

#[test]
fn a_server_error_is_tried_again() {
    let mut client = started();
    add(&mut client, 1);
    let push = client.take_push();
    client.answer_with(&push, 500, &[], "boom".to_owned());
    assert!(matches!(stuck(&client), Some(Stuck::Backoff { .. })));
    assert!(client.reports.contains(&("PushHttp".into(), "internal".into())));
}

#[test]
fn stuck_refused_stops_until_the_next_start() {
    for code in ["client-group-mismatch", "client-id-taken", "protocol-mismatch", "invalid-request"] {
        let mut client = started();
        add(&mut client, 1);
        let push = client.take_push();
        client.answer(&push, 400, error(code));
        assert_eq!(stuck(&client), Some(Stuck::Refused { code: code.into() }));
        client.sent.clear();
        client.advance(600_000);
        assert_eq!(client.sent.iter().filter(|sent| sent.is_push()).count(), 0);
        client.event(Event::Start);
        assert_eq!(client.take_push().ids(), [1]);
    }
}

#[test]
fn stuck_in_a_gap_of_a_mutation_nobody_has() {
    let mut client = started();
    add(&mut client, 1);
    add(&mut client, 2);
    let push = client.take_push();
    let gap = json!({ "error": "mutation-gap", "message": "", "expected": 2, "lastMutationID": 1,
                      "results": [{ "id": 1, "status": "applied" }] });
    client.answer(&push, 409, gap);
    // What ran before the gap is kept, and the rest goes out again at once.
    let push = client.take_push();
    assert_eq!(push.ids(), [2]);
    let gap = json!({ "error": "mutation-gap", "message": "", "expected": 7, "lastMutationID": 6, "results": [] });
    client.answer(&push, 409, gap);
    assert_eq!(stuck(&client), Some(Stuck::Gap { expected: 7 }));
    assert_eq!(client.engine.status(client.now).pending, 1);
}

#[test]
fn stuck_too_large_halves_then_skips_the_one_that_never_fits() {
    let mut client = started();
    client.event(Event::SetOffline(true));
    for n in 1..=4 {
        add(&mut client, n);
    }
    client.event(Event::SetOffline(false));
    let mut sizes = Vec::new();
    let mut skipped = Vec::new();
    for _ in 0..20 {
        if client.engine.status(client.now).pending == 0 {
            break;
        }
        let push = client.take_push();
        let mutations = push.body()["mutations"].as_array().unwrap().clone();
        sizes.push(mutations.len());
        if mutations.iter().any(|m| m["id"] == 1 && m.get("skip").is_none()) {
            client.answer(&push, 413, json!({ "error": "payload-too-large", "message": "", "limit": 10 }));
            if client.engine.status(client.now).pending == 4 {
                assert_eq!(stuck(&client), Some(Stuck::TooLarge));
            }
        } else {
            skipped.extend(mutations.iter().filter(|m| m["skip"] == "too-large").map(|m| m["id"].as_u64().unwrap()));
            let results: Vec<_> = mutations
                .iter()
                .map(
                    |m| json!({ "id": m["id"], "status": if m.get("skip").is_some() { "skipped" } else { "applied" } }),
                )
                .collect();
            client.answer(&push, 200, json!({ "ok": true, "lastMutationID": 4, "results": results }));
        }
    }
    assert_eq!(sizes[..3], [4, 2, 1]);
    assert_eq!(skipped, [1]);
    assert_eq!(client.engine.status(client.now).pending, 0);
    assert_eq!(client.texts(&LISTS, "name"), ["list 2", "list 3", "list 4"], "its effect is undone");
    let outcomes = client.engine.outcomes(&mut client.store).unwrap();
    let first = outcomes.iter().find(|outcome| outcome.id == 1).unwrap();
    assert_eq!(first.status, OutcomeStatus::TooLarge);
    assert_eq!(stuck(&client), None);
}

#[test]
fn a_server_that_takes_fewer_mutations_is_given_fewer() {
    let mut client = started();
    client.event(Event::SetOffline(true));
    for n in 1..=10 {
        add(&mut client, n);
    }
    client.event(Event::SetOffline(false));
    let push = client.take_push();
    client.answer(&push, 413, json!({ "error": "too-many-mutations", "message": "", "limit": 3 }));
    assert_eq!(client.take_push().ids(), [1, 2, 3]);
}

#[test]
fn a_push_is_as_large_as_the_body_allows() {
    let mut client = Client::with(EngineOptions { body_bytes: 4_096, ..options() });
    let name = "n".repeat(1_000);
    for n in 1..=6 {
        client.mutate("list.add", json!({ "id": id(n), "name": name }));
    }
    client.event(Event::PushNow);
    let push = client.take_push();
    assert!(push.wire.body.len() <= 4_096 && push.ids().len() == 2, "{} bytes", push.wire.body.len());
    let error = client.try_mutate("list.add", json!({ "id": id(9), "name": "n".repeat(4_000) })).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::TooLarge);
    assert_eq!(client.engine.status(client.now).pending, 6);
}

#[test]
fn stuck_behind_another_process_until_its_lease_ends() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let open = || crate::store::sqlite::SqliteConnection::open(&file, Default::default()).unwrap();
    let mut first = Client::over(open(), options()).unwrap();
    let mut second = Client::over_schema(open(), options(), schema_for(&options()), 2).unwrap();
    first.event(Event::Start);
    second.event(Event::Start);
    assert_eq!(second.sent.len(), 0);
    let until = first.now + 30_000;
    assert_eq!(stuck(&second), Some(Stuck::NotLeader { until }));
    // What the follower queues is sent by the leader.
    add(&mut second, 1);
    assert_eq!(second.sent.len(), 0);
    first.event(Event::ForeignChange);
    assert!(first.batches.last().unwrap().all);
    let push = first.take_push();
    assert_eq!(push.ids(), [1]);
    // Ids come from the store, not from memory.
    add(&mut first, 2);
    let ids: Vec<u64> = second.engine.outbox(&mut second.store).unwrap().iter().map(|m| m.id).collect();
    assert_eq!(ids, [1, 2]);
    // By hand the follower may send: the ledger knows the keys.
    second.event(Event::PushNow);
    assert_eq!(second.take_push().ids(), [1, 2]);
    // The leader dies.
    second.now = until;
    second.event(Event::Tick);
    assert_eq!(stuck(&second), None);
    assert_eq!(second.take_pull().param("clientGroupID").as_deref(), Some("alice"));
    // And when it only slept, it sees that it lost the lease.
    first.now = until + 1;
    first.answer(&push, 200, applied(&push));
    assert!(matches!(stuck(&first), Some(Stuck::NotLeader { .. })));
    // A stop hands the lease over at once.
    second.event(Event::Stop);
    first.event(Event::Start);
    assert_eq!(stuck(&first), None);
}

#[test]
fn stuck_on_the_store_says_so_and_recovers() {
    let mut client = started();
    crate::store::SqlConnection::batch(&mut client.store, "PRAGMA query_only = 1").unwrap();
    let error = client.try_mutate("list.add", json!({ "id": id(1), "name": "x" })).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Storage);
    let pull = client.take_pull();
    let page = client.page(vec![put_list(2, "b")], None, vec![]);
    client.answer(&pull, 200, page.clone());
    let Some(Stuck::Storage { until }) = stuck(&client) else { panic!("{:?}", stuck(&client)) };
    assert!(client.reports.iter().any(|(kind, _)| kind == "Storage"));
    crate::store::SqlConnection::batch(&mut client.store, "PRAGMA query_only = 0").unwrap();
    client.now = until.max(client.engine.pull.not_before);
    client.event(Event::Tick);
    assert_eq!(stuck(&client), None);
    let pull = client.take_pull();
    client.answer(&pull, 200, page);
    assert_eq!(client.texts(&LISTS, "name"), ["b"]);
}

#[test]
fn a_server_that_does_not_hold_pulls_is_not_asked_in_a_loop() {
    let mut client = started();
    let pull = client.take_pull();
    assert!(pull.param("wait").is_some());
    let page = client.page(vec![], None, vec![]);
    client.answer(&pull, 200, page);
    assert!(!client.sent.iter().any(|sent| !sent.is_push()));
    let pause = client.wake_at.unwrap() - client.now;
    assert!((2_500..=15_000).contains(&pause), "{pause}");
    // A poke asks at once.
    client.event(Event::Poke);
    let pull = client.take_pull();
    // Held to its end, it is asked again at once.
    client.now += 25_000;
    let page = client.page(vec![], None, vec![]);
    client.answer(&pull, 200, page);
    assert!(client.sent.iter().any(|sent| !sent.is_push()));
}

#[test]
fn without_long_polls_it_polls() {
    let mut client = Client::with(EngineOptions { long_poll_ms: 0, ..options() });
    client.event(Event::Start);
    let pull = client.take_pull();
    assert_eq!(pull.param("wait"), None);
    let page = client.page(vec![], None, vec![]);
    client.answer(&pull, 200, page);
    assert!(client.sent.is_empty());
    client.advance(7_500);
    assert_eq!(client.take_pull().param("cookie").as_deref(), Some("c2%3A1"));
}

#[test]
fn an_invalid_cookie_is_forgotten() {
    let mut client = started();
    let pull = client.take_pull();
    client.answer(&pull, 400, error("invalid-cookie"));
    client.advance(60_000);
    assert_eq!(client.take_pull().param("cookie"), None);
}

#[test]
fn a_page_that_breaks_the_schema_changes_nothing_and_is_reported() {
    for patch in [
        vec![put_list(1, "good"), json!({ "op": "put", "table": "lists", "id": id(2), "value": { "id": id(2) } })],
        vec![put_list(1, "good"), json!({ "op": "put", "table": "nowhere", "id": id(2), "value": {} })],
        vec![put_list(1, "good"), json!({ "op": "del", "table": "drafts", "id": id(2) })],
        vec![put_todo(1, 9, "a", Some("same")), put_todo(2, 9, "b", Some("same"))],
        vec![json!({ "op": "put", "table": "lists", "id": id(3), "value": { "id": id(2), "name": "other id" } })],
    ] {
        let mut client = started();
        let pull = client.take_pull();
        let page = client.page(patch, None, vec![]);
        client.answer(&pull, 200, page);
        assert_eq!(client.texts(&LISTS, "name"), [""; 0]);
        assert!(client.reports.contains(&("PullHttp".into(), "protocol".into())), "{:?}", client.reports);
        assert!(matches!(stuck(&client), Some(Stuck::Backoff { .. })));
        client.advance(60_000);
        assert_eq!(client.take_pull().param("cookie").as_deref(), Some("c2%3A1"));
    }
}

#[test]
fn a_pull_by_hand_replaces_a_held_one() {
    let mut client = started();
    let held = client.take_pull();
    client.event(Event::PullNow);
    let fresh = client.take_pull();
    assert_eq!((fresh.param("wait"), fresh.param("cookie")), (None, held.param("cookie")));
    let page = client.page(vec![put_list(1, "a")], None, vec![]);
    client.answer(&fresh, 200, page.clone());
    client.answer(&held, 200, page);
    assert_eq!(client.texts(&LISTS, "name"), ["a"]);
    assert_eq!(client.stats().disjoint, 1);
}

#[test]
fn a_poke_during_a_pull_is_not_forgotten() {
    let mut client = Client::with(EngineOptions { long_poll_ms: 0, ..options() });
    client.event(Event::Start);
    let pull = client.take_pull();
    client.event(Event::Poke);
    let page = client.page(vec![], None, vec![]);
    client.answer(&pull, 200, page);
    let again = client.take_pull();
    let page = client.page(vec![], None, vec![]);
    client.answer(&again, 200, page);
    assert!(client.sent.is_empty());
}
