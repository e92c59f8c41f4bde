//! How a new base gets under the pending mutations, and which way it took.

use serde_json::json;

use super::support::*;
use crate::client::event::RowChange;
use crate::value::Value;

#[test]
fn the_nasty_case_of_unique_values_and_cascades() {
    let mut client = Client::new();
    client.begin();
    client.pull(vec![put_list(1, "L"), put_todo(11, 1, "T1", Some("x"))], None);
    client.mutate("list.remove", json!({ "id": id(1) }));
    client.mutate("todo.add", json!({ "id": id(12), "list": id(1), "title": "T2", "slug": "x" }));
    assert_eq!(client.texts(&TODOS, "id"), [id(12)]);

    client.pull(vec![put_todo(11, 1, "T1", Some("z")), put_todo(13, 1, "T3", Some("x"))], None);
    assert_eq!(client.stats().replayed, 1);
    assert_eq!(client.texts(&LISTS, "id"), [""; 0]);
    assert_eq!(client.texts(&TODOS, "id"), [id(12)], "m1 cascades over T1 and T3, then the slug is free for m2");

    // m1 is rejected: what it took, T3 too, comes back; m2 fails now and leaves it so.
    let results = vec![json!({ "id": 1, "status": "rejected", "error": { "code": "unauthorized", "message": "no" } })];
    client.pull_with(vec![], Some(1), results);
    assert_eq!(client.texts(&LISTS, "id"), [id(1)]);
    assert_eq!(client.texts(&TODOS, "id"), [id(11), id(13)]);
    assert_eq!(client.texts(&TODOS, "slug"), ["z", "x"]);
    let queued = client.engine.outbox(&mut client.store).unwrap();
    assert_eq!(queued.len(), 1);
    assert!(queued[0].failing.as_deref().unwrap().starts_with("conflict"), "{queued:?}");
    assert!(client.reports.contains(&("RebaseReplay".into(), "conflict".into())));
}

#[test]
fn an_unchanged_confirm_changes_nothing_and_says_nothing() {
    let mut client = Client::new();
    client.begin();
    client.mutate("list.add", json!({ "id": id(1), "name": "a" }));
    client.mutate("list.add", json!({ "id": id(2), "name": "b" }));
    client.batches.clear();
    client.pull(vec![put_list(1, "a")], Some(1));
    assert_eq!((client.stats().confirmed, client.stats().replayed), (1, 0));
    assert_eq!(client.batches, []);
    assert_eq!(client.texts(&LISTS, "name"), ["a", "b"]);
    assert_eq!(client.engine.outbox(&mut client.store).unwrap().len(), 1);
}

#[test]
fn rows_nobody_had_seen_come_without_a_replay() {
    let mut client = Client::new();
    client.begin();
    client.mutate("list.add", json!({ "id": id(1), "name": "a" }));
    client.batches.clear();
    client.pull(vec![put_list(2, "b"), put_todo(11, 2, "t", None)], None);
    assert_eq!((client.stats().disjoint, client.stats().replayed), (1, 0));
    let changes = &client.batches[0].changes;
    assert_eq!(changes.len(), 2);
    let list = vec![Value::from(id(2)), "b".into()];
    assert_eq!(changes[0], RowChange { table: "lists", id: id(2), before: None, after: Some(list) });
}

#[test]
fn a_row_a_pending_mutation_had_read_forces_the_replay() {
    let mut client = Client::new();
    client.begin();
    client.pull(vec![put_list(1, "L"), put_todo(11, 1, "old", None), put_todo(12, 1, "mine", None)], None);
    client.mutate("todo.copy", json!({ "from": id(11), "to": id(12) }));
    assert_eq!(client.texts(&TODOS, "title"), ["old", "old"]);
    client.pull(vec![put_todo(11, 1, "new", None)], None);
    assert_eq!((client.stats().replayed, client.stats().disjoint), (1, 1));
    assert_eq!(client.texts(&TODOS, "title"), ["new", "new"]);
}

#[test]
fn a_row_that_meets_a_condition_a_pending_mutation_asked_forces_the_replay() {
    let mut client = Client::new();
    client.begin();
    client.pull(vec![put_list(1, "L"), put_list(2, "M"), put_todo(11, 1, "a", None)], None);
    client.mutate("list.count", json!({ "list": id(1) }));
    client.pull(vec![put_todo(12, 2, "of the other list", None)], None);
    assert_eq!((client.stats().replayed, client.stats().disjoint), (0, 2));
    client.pull(vec![put_todo(13, 1, "b", None)], None);
    assert_eq!(client.stats().replayed, 1);
    assert_eq!(client.texts(&LISTS, "name"), ["2 todos", "M"]);
    // A row that leaves the condition was read too.
    client.pull(vec![put_todo(13, 2, "b", None)], None);
    assert_eq!(client.stats().replayed, 2);
    assert_eq!(client.texts(&LISTS, "name"), ["1 todos", "M"]);
}

#[test]
fn a_unique_value_a_pending_mutation_took_forces_the_replay() {
    let mut client = Client::new();
    client.begin();
    client.pull(vec![put_list(1, "L")], None);
    client.mutate("todo.add", json!({ "id": id(11), "list": id(1), "title": "mine", "slug": "x" }));
    client.pull(vec![put_todo(12, 1, "theirs", Some("x"))], None);
    assert_eq!(client.stats().replayed, 1);
    assert_eq!(client.texts(&TODOS, "title"), ["theirs"]);
    let queued = client.engine.outbox(&mut client.store).unwrap();
    assert!(queued[0].failing.is_some());
    // Their row goes: the pending one is free to come back.
    client.pull(vec![del(&TODOS, 12)], None);
    assert_eq!(client.texts(&TODOS, "title"), ["mine"]);
    assert!(client.engine.outbox(&mut client.store).unwrap()[0].failing.is_none());
}

#[test]
fn a_child_that_comes_under_a_deleted_parent_is_taken_by_the_cascade() {
    let mut client = Client::new();
    client.begin();
    client.pull(vec![put_list(1, "L")], None);
    client.mutate("list.remove", json!({ "id": id(1) }));
    client.pull(vec![put_todo(11, 1, "late", None)], None);
    assert_eq!(client.stats().replayed, 1);
    assert_eq!(client.texts(&TODOS, "id"), [""; 0]);
}

#[test]
fn the_server_may_have_done_something_else_than_the_client_did() {
    let mut client = Client::new();
    client.begin();
    client.mutate("list.add", json!({ "id": id(1), "name": "a" }));
    client.mutate("list.add", json!({ "id": id(2), "name": "b" }));
    // The canonical run named it otherwise; nothing pending looked at it.
    client.pull(vec![put_list(1, "A")], Some(1));
    assert_eq!((client.stats().confirmed, client.stats().replayed), (1, 0));
    assert_eq!(client.texts(&LISTS, "name"), ["A", "b"]);
}

#[test]
fn a_rejected_mutation_takes_its_effect_along_and_ends_as_an_outcome() {
    let mut client = Client::new();
    client.begin();
    let first = client.mutate("list.add", json!({ "id": id(1), "name": "a" }));
    client.mutate("list.unless", json!({ "id": id(1), "name": "zzz" }));
    let error = json!({ "code": "too-many", "message": "no more lists", "data": { "limit": 3 } });
    client.pull_with(vec![], Some(1), vec![json!({ "id": 1, "status": "rejected", "error": error })]);
    assert_eq!(client.texts(&LISTS, "name"), [""; 0], "the second mutation finds no list now");
    let outcomes = client.engine.outcomes(&mut client.store).unwrap();
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].key, first.key);
    assert_eq!(outcomes[0].error.as_ref().unwrap().data, Some(json!({ "limit": 3 })));
    assert_eq!(outcomes[0].result().unwrap_err().code(), "too-many");
    assert!(client.progress.contains(&(first.key, "too-many".into())));
    assert!(client.progress.contains(&(first.key, "observed".into())));
}

#[test]
fn unique_values_may_change_places_in_one_page() {
    let mut client = Client::new();
    client.begin();
    client.pull(vec![put_list(1, "L"), put_todo(11, 1, "a", Some("x")), put_todo(12, 1, "b", Some("y"))], None);
    let swap = || vec![put_todo(11, 1, "a", Some("y")), put_todo(12, 1, "b", Some("x"))];
    client.pull(swap(), None);
    assert_eq!(client.texts(&TODOS, "slug"), ["y", "x"]);
    // And in a set that empties tables, on its way.
    let mut all = vec![json!({ "op": "clear" }), put_list(1, "L")];
    all.extend([put_todo(11, 1, "a", Some("x")), put_todo(12, 1, "b", Some("y"))]);
    all.extend(swap());
    client.pull(all, None);
    assert_eq!(client.texts(&TODOS, "slug"), ["y", "x"]);
    assert_eq!(client.stats().cleared, 2);
}

#[test]
fn a_clear_keeps_what_is_pending() {
    let mut client = Client::new();
    client.begin();
    client.pull(vec![put_list(1, "L"), put_todo(11, 1, "a", None)], None);
    client.mutate("todo.title", json!({ "id": id(11), "title": "mine" }));
    client.mutate("list.add", json!({ "id": id(2), "name": "mine" }));
    client.pull(vec![json!({ "op": "clear" }), put_list(1, "L2"), put_todo(11, 1, "b", None)], None);
    assert_eq!(client.texts(&TODOS, "title"), ["mine"]);
    assert_eq!(client.texts(&LISTS, "name"), ["L2", "mine"]);
    // One table only.
    client.pull(vec![json!({ "op": "clear", "table": "todos" }), put_todo(12, 1, "c", None)], None);
    assert_eq!(client.texts(&TODOS, "title"), ["c"]);
    assert_eq!(client.texts(&LISTS, "name"), ["L2", "mine"]);
    let queued = client.engine.outbox(&mut client.store).unwrap();
    assert_eq!(queued.iter().map(|m| m.failing.is_some()).collect::<Vec<_>>(), [true, false]);
}
