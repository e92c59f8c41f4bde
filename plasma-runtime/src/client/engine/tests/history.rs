//! Staged sets, forks, expiry and lost history.

use serde_json::{Value as Json, json};

use super::support::*;
use crate::client::event::Event;
use crate::client::outcomes::OutcomeStatus;
use crate::store::SqlConnection as _;
use crate::store::sqlite::SqliteConnection;
use crate::value::Kind;

fn add(client: &mut Client, n: u32) -> uuid::Uuid {
    client.mutate("list.add", json!({ "id": id(n), "name": format!("list {n}") })).key
}

fn partial(mut page: Json) -> Json {
    page["partial"] = json!(true);
    page["hasMore"] = json!(true);
    page
}

/// Pushes and has everything applied.
fn push_all(client: &mut Client) {
    client.event(Event::PushNow);
    let push = client.take_push();
    client.answer(&push, 200, applied(&push));
}

fn keys(push: &Sent) -> Vec<String> {
    let body = push.body();
    body["mutations"].as_array().unwrap().iter().map(|m| m["key"].as_str().unwrap().to_owned()).collect()
}

fn copy_of(client: &Client) -> SqliteConnection {
    let mut copy = SqliteConnection::in_memory().unwrap();
    client.store.backup_to(&mut copy).unwrap();
    copy
}

#[test]
fn a_set_of_partial_pages_is_seen_whole_or_not_at_all_and_survives_a_crash() {
    let mut client = Client::new();
    client.begin();
    client.pull(vec![put_list(1, "old"), put_list(2, "gone")], None);
    add(&mut client, 9);
    let first = client.page(vec![put_list(1, "new"), del(&LISTS, 2)], None, vec![]);
    let request = client.request_pull();
    client.answer(&request, 200, partial(first));
    client.wait();
    assert_eq!(client.texts(&LISTS, "name"), ["old", "gone", "list 9"]);
    let mut client = client.restart();
    let request = client.request_pull();
    assert_eq!(request.param("cookie").as_deref(), Some("c2%3A3"), "it resumes with the staged page's cookie");
    let second = client.page(vec![put_list(3, "more")], None, vec![]);
    client.answer(&request, 200, partial(second));
    let last = client.page(vec![put_list(4, "last")], Some(1), vec![]);
    let request = client.request_pull();
    client.answer(&request, 200, last);
    assert_eq!(client.texts(&LISTS, "name"), ["new", "more", "last"]);
    assert_eq!(client.engine.cookie(&mut client.store).unwrap().as_deref(), Some("c2:5"));
}

#[test]
fn the_next_page_is_asked_for_before_one_is_staged_and_a_crash_between_only_asks_again() {
    let mut client = Client::new();
    client.begin();
    client.pull(vec![put_list(1, "old")], None);
    let staged = |client: &mut Client| {
        client.store.query("SELECT count(*) FROM _plasma_inbox", &[], &[Kind::Int]).unwrap()[0][0].as_int()
    };
    let first = client.page(vec![json!({ "op": "clear" }), put_list(2, "a")], None, vec![]);
    let request = client.request_pull();
    client.answer(&request, 200, partial(first.clone()));
    assert_ne!(client.take_pull().param("cookie"), request.param("cookie"), "it goes on behind the page");
    assert_eq!(staged(&mut client), Some(0));
    assert_eq!(client.wake_at, Some(client.now), "and writes the page down at once");
    let mut client = client.restart();
    let again = client.request_pull();
    assert_eq!(again.param("cookie"), request.param("cookie"));
    client.answer(&again, 200, partial(first));
    let ahead = client.take_pull();
    // However fast the answer is, the page before it is staged first.
    let last = client.page(vec![put_list(3, "b")], None, vec![]);
    client.answer(&ahead, 200, last);
    assert_eq!(client.texts(&LISTS, "name"), ["a", "b"]);
    assert_eq!(staged(&mut client), Some(0));
}

#[test]
fn a_snapshot_in_pages_replaces_the_base_in_one_step_and_a_restarted_one_replaces_its_parts() {
    let mut client = Client::new();
    client.begin();
    client.pull(vec![put_list(1, "old")], None);
    for (patch, is_last) in [
        (vec![json!({ "op": "clear" }), put_list(2, "of an abandoned walk")], false),
        (vec![json!({ "op": "clear" }), put_list(3, "a")], false),
        (vec![put_list(4, "b")], true),
    ] {
        assert_eq!(client.texts(&LISTS, "name"), ["old"]);
        let page = client.page(patch, None, vec![]);
        let request = client.request_pull();
        client.answer(&request, 200, if is_last { page } else { partial(page) });
    }
    assert_eq!(client.texts(&LISTS, "name"), ["a", "b"]);
}

#[test]
fn a_first_pull_replaces_whatever_was_there_even_without_a_clear() {
    let mut client = Client::new();
    client.pull(vec![put_list(1, "a")], None);
    assert_eq!(client.texts(&LISTS, "name"), ["a"]);
}

#[test]
fn a_restart_with_a_full_outbox_goes_on_where_it_was() {
    let mut client = Client::new();
    client.begin();
    let keys_before: Vec<_> = (1..=500).map(|n| add(&mut client, n).to_string()).collect();
    let mut client = client.restart();
    assert_eq!(client.engine.status(client.now).pending, 500);
    assert_eq!(client.rows(&LISTS).len(), 500);
    let mut sent = Vec::new();
    client.event(Event::Start);
    for expected in [200, 200, 100] {
        let push = client.take_push();
        assert_eq!(push.ids().len(), expected);
        sent.extend(keys(&push));
        client.answer(&push, 200, applied(&push));
        client = {
            // Killed after every answer.
            let mut client = client.restart();
            client.event(Event::Start);
            // The lease of the dead engine must end first.
            client.advance(30_000);
            client
        };
    }
    assert_eq!(sent, keys_before);
    assert_eq!(add(&mut client, 501).get_version_num(), 4);
    assert_eq!(client.engine.outbox(&mut client.store).unwrap().last().unwrap().id, 501);
}

#[test]
fn an_answer_lost_after_the_commit_is_asked_for_again_and_counts_once() {
    let mut client = Client::new();
    client.begin();
    let key = add(&mut client, 1);
    client.event(Event::PushNow);
    let _lost = client.take_push();
    let mut client = client.restart();
    // The pull brings the acknowledgement before the push was repeated.
    client.pull(vec![put_list(1, "list 1")], Some(1));
    assert_eq!(client.engine.outcome(&mut client.store, key).unwrap().unwrap().status, OutcomeStatus::Applied);
    assert_eq!(client.engine.outbox(&mut client.store).unwrap(), []);
    assert_eq!(client.stats().confirmed, 1);
    assert_eq!(add(&mut client, 2).get_version_num(), 4);
    assert_eq!(client.engine.outbox(&mut client.store).unwrap()[0].id, 2, "ids are never used twice");
}

/// The store goes on under another client id with the same keys, and nothing is lost.
fn assert_rotated(client: &mut Client, before: &str, expected: &[uuid::Uuid]) {
    let after = client.engine.client_id(&mut client.store).unwrap();
    assert_ne!(after, before);
    let queued = client.engine.outbox(&mut client.store).unwrap();
    assert_eq!(queued.iter().map(|m| m.key).collect::<Vec<_>>(), expected);
    assert_eq!(queued.iter().map(|m| m.id).collect::<Vec<_>>(), (1..=expected.len() as u64).collect::<Vec<_>>());
    assert!(queued.iter().all(|m| !m.acknowledged));
    client.event(Event::PushNow);
    let push = client.take_push();
    assert_eq!(push.body()["clientID"], after.as_str());
    assert_eq!(keys(&push), expected.iter().map(ToString::to_string).collect::<Vec<_>>(), "the keys stay");
}

#[test]
fn a_fork_told_by_a_push_issues_everything_again_under_a_new_id() {
    for code in ["client-forked", "client-expired"] {
        let mut client = Client::new();
        client.begin();
        let first = add(&mut client, 1);
        push_all(&mut client);
        let second = add(&mut client, 2);
        let before = client.engine.client_id(&mut client.store).unwrap();
        client.event(Event::PushNow);
        let push = client.take_push();
        client.answer(&push, 409, json!({ "error": code, "message": "" }));
        assert_rotated(&mut client, &before, &[first, second]);
        assert_eq!(client.texts(&LISTS, "name"), ["list 1", "list 2"]);
        assert_eq!(client.engine.cookie(&mut client.store).unwrap().as_deref(), Some("c2:1"));
        assert!(client.reports.contains(&("PushHttp".into(), code.into())));
    }
}

#[test]
fn a_fork_shows_in_a_pull_by_the_key() {
    let mut client = Client::new();
    client.begin();
    let mut copy = Client::over_schema(copy_of(&client), options(), schema(), 77).unwrap();
    let ours = add(&mut client, 1);
    let theirs = add(&mut copy, 2);
    let before = client.engine.client_id(&mut client.store).unwrap();
    assert_eq!(before, copy.engine.client_id(&mut copy.store).unwrap());
    let mut page = client.page(vec![put_list(2, "list 2")], Some(1), vec![]);
    page["lastKey"] = json!(theirs.to_string());
    let request = client.request_pull();
    client.answer(&request, 200, page);
    assert_eq!(client.texts(&LISTS, "name"), ["list 1"], "the page is not applied");
    assert_rotated(&mut client, &before, &[ours]);
}

#[test]
fn what_one_copy_sent_the_other_cannot_discard() {
    let mut client = Client::new();
    client.begin();
    let key = add(&mut client, 1);
    let mut copy = Client::over_schema(copy_of(&client), options(), schema(), 77).unwrap();
    client.event(Event::PushNow);
    assert_eq!(client.take_push().ids(), [1]);
    copy.discard(key).unwrap();
    copy.event(Event::PushNow);
    let push = copy.take_push();
    let results = json!([{ "id": 1, "status": "duplicate", "was": "applied" }]);
    copy.answer(&push, 200, json!({ "ok": true, "lastMutationID": 1, "results": results }));
    let outcome = copy.engine.outcome(&mut copy.store, key).unwrap().unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Applied);
    assert!(copy.progress.ends_with(&[(key, "ok".into())]));
}

#[test]
fn a_fork_shows_in_a_pull_by_an_id_never_issued() {
    let mut client = Client::new();
    client.begin();
    let ours = add(&mut client, 1);
    let before = client.engine.client_id(&mut client.store).unwrap();
    client.pull(vec![], Some(2));
    assert_rotated(&mut client, &before, &[ours]);
}

#[test]
fn a_fork_shows_in_a_pull_by_the_key_of_the_last_acknowledged_id() {
    let mut client = Client::new();
    client.begin();
    add(&mut client, 1);
    push_all(&mut client);
    client.pull(vec![put_list(1, "list 1")], Some(1));
    let before = client.engine.client_id(&mut client.store).unwrap();
    let mut page = client.page(vec![], Some(1), vec![]);
    page["lastKey"] = json!("00000000-0000-4000-8000-00000000beef");
    let request = client.request_pull();
    client.answer(&request, 200, page);
    assert_rotated_to_nothing(&mut client, &before);
}

fn assert_rotated_to_nothing(client: &mut Client, before: &str) {
    assert_ne!(client.engine.client_id(&mut client.store).unwrap(), before);
    assert_eq!(client.engine.outbox(&mut client.store).unwrap(), []);
}

#[test]
fn what_was_sent_too_long_ago_ends_as_unknown_and_is_not_sent_again() {
    let mut client = Client::new();
    client.begin();
    let old = add(&mut client, 1);
    client.event(Event::PushNow);
    let push = client.take_push();
    client.fail(&push);
    client.now += 91 * 24 * 3_600 * 1_000;
    let fresh = add(&mut client, 2);
    let before = client.engine.client_id(&mut client.store).unwrap();
    client.event(Event::PushNow);
    let push = client.take_push();
    client.answer(&push, 409, json!({ "error": "client-expired", "message": "" }));
    let outcome = client.engine.outcome(&mut client.store, old).unwrap().unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Unknown);
    assert!(outcome.args.is_some());
    assert!(client.progress.contains(&(old, "unknown".into())));
    assert_eq!(client.texts(&LISTS, "name"), ["list 2"]);
    assert_rotated(&mut client, &before, &[fresh]);
}

/// Three mutations: observed, acknowledged, queued.
fn at_three_stages() -> (Client, [uuid::Uuid; 3]) {
    let mut client = Client::new();
    client.begin();
    let observed = add(&mut client, 1);
    push_all(&mut client);
    client.pull(vec![put_list(1, "list 1")], Some(1));
    let acknowledged = add(&mut client, 2);
    push_all(&mut client);
    let queued = add(&mut client, 3);
    (client, [observed, acknowledged, queued])
}

fn assert_lost(mut client: Client, before: &str, [observed, acknowledged, queued]: [uuid::Uuid; 3]) {
    let outcome = client.engine.outcome(&mut client.store, observed).unwrap().unwrap();
    assert_eq!(outcome.status, OutcomeStatus::LostByServer);
    assert!(client.progress.contains(&(observed, "lost-by-server".into())));
    assert_eq!(client.engine.outcome(&mut client.store, acknowledged).unwrap(), None, "it finds its end anew");
    assert_eq!(client.engine.cookie(&mut client.store).unwrap(), None, "and the base is pulled anew");
    assert_rotated(&mut client, before, &[acknowledged, queued]);
}

#[test]
fn a_server_that_lost_its_history_shows_in_a_push() {
    let (mut client, keys) = at_three_stages();
    let before = client.engine.client_id(&mut client.store).unwrap();
    client.event(Event::PushNow);
    let push = client.take_push();
    let gap = json!({ "error": "mutation-gap", "message": "", "expected": 1, "lastMutationID": 0, "results": [] });
    client.answer(&push, 409, gap);
    assert_lost(client, &before, keys);
}

#[test]
fn a_server_that_lost_its_history_shows_in_a_pull() {
    let (mut client, keys) = at_three_stages();
    let before = client.engine.client_id(&mut client.store).unwrap();
    client.pull(vec![json!({ "op": "clear" })], None);
    assert_lost(client, &before, keys);
}

#[test]
fn a_reset_that_knows_everything_acknowledged_is_no_lost_history() {
    let (mut client, _) = at_three_stages();
    let before = client.engine.client_id(&mut client.store).unwrap();
    client.pull(vec![json!({ "op": "clear" }), put_list(1, "list 1"), put_list(2, "list 2")], Some(2));
    assert_eq!(client.engine.client_id(&mut client.store).unwrap(), before);
    assert_eq!(client.texts(&LISTS, "name"), ["list 1", "list 2", "list 3"]);
    assert_eq!(client.engine.outbox(&mut client.store).unwrap().len(), 1);
}

#[test]
fn a_lost_history_is_found_at_the_end_of_a_snapshot_in_pages() {
    let (mut client, keys) = at_three_stages();
    let before = client.engine.client_id(&mut client.store).unwrap();
    let first = client.page(vec![json!({ "op": "clear" }), put_list(7, "old")], None, vec![]);
    let request = client.request_pull();
    client.answer(&request, 200, partial(first));
    client.pull(vec![], None);
    assert_lost(client, &before, keys);
}

#[test]
fn an_answer_under_way_during_a_rotation_is_not_for_the_new_id() {
    let mut client = Client::new();
    client.begin();
    add(&mut client, 1);
    client.event(Event::PushNow);
    let push = client.take_push();
    let request = client.request_pull();
    let old_page = client.page(vec![put_list(1, "list 1")], Some(1), vec![]);
    client.answer(&push, 409, json!({ "error": "client-forked", "message": "" }));
    client.answer(&request, 200, old_page);
    assert_eq!(client.engine.outbox(&mut client.store).unwrap().len(), 1);
}
