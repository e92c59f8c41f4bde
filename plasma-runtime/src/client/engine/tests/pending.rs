//! What the engine remembers between pulls, and what it takes back inside of a group: both stand in for something slower
//! that could not go wrong.

use serde_json::json;

use super::support::*;
use crate::client::engine::{Durability, EngineOptions};
use crate::store::sqlite::SqliteConnection;

/// Two engines over one file.
fn two(folder: &tempfile::TempDir) -> [Client; 2] {
    let file = folder.path().join("store.db");
    [1, 2].map(|seed| {
        let store = SqliteConnection::open(&file, Default::default()).unwrap();
        Client::over_schema(store, options(), schema(), seed).unwrap()
    })
}

#[test]
fn what_another_process_has_queued_meanwhile_counts_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let [mut client, mut other] = two(&folder);
    client.begin();
    client.pull(vec![put_list(1, "L"), put_todo(11, 1, "old", None), put_todo(12, 1, "mine", None)], None);
    client.mutate("list.add", json!({ "id": id(2), "name": "M" }));
    // The engine knows now what is pending.
    client.pull(vec![put_list(3, "N")], None);
    let before = client.stats();
    assert_eq!(before.replayed, 0);
    other.mutate("todo.copy", json!({ "from": id(11), "to": id(12) }));
    client.pull(vec![put_todo(11, 1, "new", None)], None);
    assert_eq!((client.stats().disjoint, client.stats().replayed), (before.disjoint, 1));
    assert_eq!(client.texts(&TODOS, "title"), ["new", "new"]);
    assert_eq!(client.engine.status(client.now).pending, 2);
}

#[test]
fn what_was_confirmed_is_no_reason_to_run_the_rest_again() {
    let mut client = Client::new();
    client.begin();
    client.pull(vec![put_list(1, "L")], None);
    client.mutate("list.add", json!({ "id": id(2), "name": "M" }));
    client.mutate("list.add", json!({ "id": id(3), "name": "N" }));
    client.pull(vec![put_list(2, "M")], Some(1));
    assert_eq!((client.stats().confirmed, client.stats().replayed), (1, 0));
    // The first one touched this row, and is gone.
    client.pull(vec![put_list(2, "changed")], Some(1));
    assert_eq!((client.stats().disjoint, client.stats().replayed), (2, 0));
    // The second one is not.
    client.pull(vec![put_list(3, "changed")], Some(1));
    assert_eq!(client.stats().replayed, 1);
    assert_eq!(client.texts(&LISTS, "name"), ["L", "changed", "changed"]);
}

#[test]
fn a_row_that_a_cascade_took_is_touched_though_nobody_read_its_id() {
    let mut client = Client::new();
    client.begin();
    client.pull(vec![put_list(1, "L"), put_list(2, "M"), put_todo(11, 1, "T", None)], None);
    client.mutate("list.remove", json!({ "id": id(1) }));
    assert_eq!(client.texts(&TODOS, "id"), [""; 0]);
    // The server moved it out of the list that goes: it stays.
    client.pull(vec![put_todo(11, 2, "T", None)], None);
    assert_eq!(client.stats().replayed, 1);
    assert_eq!(client.texts(&TODOS, "id"), [id(11)]);
}

#[test]
fn a_mutation_that_fails_in_a_group_takes_back_its_own_writes_only() {
    let mut client = Client::new();
    client.begin();
    client.pull(vec![put_list(1, "L"), put_todo(11, 1, "a", Some("x")), put_todo(12, 1, "b", None)], None);
    let options = EngineOptions { durability: Durability::WriteBehind, ..options() };
    let mut client = Client::over(client.store, options).unwrap();
    client.mutate("todo.add", json!({ "id": id(13), "list": id(1), "title": "c", "slug": "y" }));
    let before = client.visible();
    let batches = client.batches.len();
    // Writes, then fails.
    client.try_mutate("list.unless", json!({ "id": id(1), "name": "L" })).unwrap_err();
    client.try_mutate("todo.add", json!({ "id": id(14), "list": id(1), "title": "d", "slug": "x" })).unwrap_err();
    assert_eq!(client.visible(), before);
    assert_eq!(client.batches.len(), batches, "nobody hears of it");
    client.mutate("list.remove", json!({ "id": id(1) }));
    client.wait();
    assert_eq!(client.texts(&TODOS, "id"), [""; 0]);
    let queued = client.engine.outbox(&mut client.store).unwrap();
    assert_eq!(queued.iter().map(|queued| queued.id).collect::<Vec<_>>(), [1, 2]);
    // What stands in the outbox and in the effects is enough to take it all back.
    for queued in queued.into_iter().rev() {
        client.discard(queued.key).unwrap();
    }
    assert_eq!(client.texts(&TODOS, "id"), [id(11), id(12)]);
}
