//! The client's run and the canonical one are compared when they read the same.

use serde_json::json;

use super::support::*;
use crate::store::SqlConnection;
use crate::value::Kind;

/// The answer to a push: every mutation was applied, with this digest.
fn applied_with(push: &Sent, effects: &str) -> serde_json::Value {
    let mut answer = applied(push);
    for result in answer["results"].as_array_mut().unwrap() {
        result["effects"] = json!(effects);
    }
    answer
}

fn digests(client: &mut Client, n: u64) -> (String, String) {
    let sql = format!("SELECT read_digest, write_digest FROM _plasma_outbox WHERE id = {n}");
    let row = client.store.query(&sql, &[], &[Kind::Text, Kind::Text]).unwrap().pop().unwrap();
    (row[0].as_text().unwrap_or("NULL").to_owned(), row[1].as_text().unwrap_or("NULL").to_owned())
}

fn started() -> Client {
    let mut client = Client::new();
    client.begin();
    client
}

#[test]
fn a_push_says_what_was_read_and_an_equal_answer_is_no_drift() {
    let mut client = started();
    client.mutate("list.add", json!({ "id": id(1), "name": "one" }));
    let (reads, writes) = digests(&mut client, 1);
    client.event(crate::client::event::Event::PushNow);
    let push = client.take_push();
    assert_eq!(push.body()["mutations"][0]["reads"], json!(reads));
    client.answer(&push, 200, applied_with(&push, &writes));
    assert_eq!((client.stats().compared, client.engine.status(client.now).drift), (1, None));
    assert_eq!(client.reports, []);
}

#[test]
fn other_canonical_writes_are_reported_and_stand_in_the_status() {
    let mut client = started();
    for n in 1..=2 {
        let key = client.mutate("list.add", json!({ "id": id(n), "name": "one" })).key;
        client.event(crate::client::event::Event::PushNow);
        let push = client.take_push();
        client.answer(&push, 200, applied_with(&push, "0000000000000000"));
        let drift = client.engine.status(client.now).drift.expect("it is not what was written here");
        assert_eq!((drift.count, drift.key, drift.name.as_str()), (u64::from(n), key, "list.add"));
        assert_eq!(drift.at_ms, client.now);
    }
    assert_eq!(client.reports, vec![("Drift".to_owned(), "drift".to_owned()); 2]);
    assert_eq!(client.engine.status(client.now).pending, 0, "it was applied all the same");
}

#[test]
fn an_answer_without_a_digest_is_compared_with_nothing() {
    let mut client = started();
    client.mutate("list.add", json!({ "id": id(1), "name": "one" }));
    client.mutate("audit", json!({}));
    client.event(crate::client::event::Event::PushNow);
    let push = client.take_push();
    assert_eq!(push.body()["mutations"][1].get("reads"), None, "it was never run here");
    client.answer(&push, 200, applied(&push));
    assert_eq!((client.stats().compared, client.engine.status(client.now).drift), (0, None));
}

/// Between a push and its answer the mutation may run again, over another base: what was sent counts.
#[test]
fn a_replay_under_way_does_not_change_what_is_compared() {
    let mut client = started();
    client.pull(vec![put_list(1, "one"), put_todo(1, 1, "a", None)], None);
    client.mutate("list.count", json!({ "list": id(1) }));
    let (reads, writes) = digests(&mut client, 1);
    client.event(crate::client::event::Event::PushNow);
    let push = client.take_push();
    client.pull(vec![put_todo(2, 1, "b", None)], None);
    let after = digests(&mut client, 1);
    assert!(after.0 != reads && after.1 != writes, "it counted again");
    client.answer(&push, 200, applied_with(&push, &writes));
    assert_eq!((client.stats().compared, client.engine.status(client.now).drift), (1, None));
}

/// A mutation that fails when it is run again has nothing to compare.
#[test]
fn a_failed_replay_forgets_the_digests() {
    let mut client = started();
    client.pull(vec![put_list(1, "one")], None);
    client.mutate("list.remove", json!({ "id": id(1) }));
    client.pull(vec![del(&LISTS, 1)], None);
    assert_eq!(digests(&mut client, 1), ("NULL".to_owned(), "NULL".to_owned()));
}

/// A store of the layout before digests is carried over, with what is queued in it.
#[test]
fn a_store_of_the_first_layout_is_opened() {
    let mut client = started();
    client.mutate("list.add", json!({ "id": id(1), "name": "one" }));
    client
        .store
        .batch(
            "ALTER TABLE main._plasma_outbox DROP COLUMN read_digest; ALTER TABLE main._plasma_outbox DROP COLUMN write_digest; \
             ALTER TABLE main._plasma_outbox DROP COLUMN bases; ALTER TABLE main._plasma_outbox DROP COLUMN made_by; \
             ALTER TABLE main._plasma_outbox DROP COLUMN observed; \
             UPDATE _plasma_meta SET value = '1' WHERE key = 'layout'",
        )
        .unwrap();
    let mut client = client.restart();
    client.event(crate::client::event::Event::PushNow);
    let push = client.take_push();
    assert_eq!((push.ids(), push.body()["mutations"][0].get("reads")), (vec![1], None));
    client.mutate("list.add", json!({ "id": id(2), "name": "two" }));
    assert_ne!(digests(&mut client, 2).0, "NULL");
    drop(client.restart());
}
