//! Writes against the caller's rules.

use serde_json::{Value as Json, json};

use super::fixture::*;
use crate::protocol::MutationStatus;

fn list(name: &str, owner: &str) -> Json {
    json!(["insert", "lists", { "id": uuid(name), "name": name, "owner": owner, "slug": null }])
}

fn todo(name: &str, list: &str) -> Json {
    json!(["insert", "todos", { "id": uuid(name), "list_id": uuid(list), "title": name }])
}

fn share(name: &str, list: &str, user: &str) -> Json {
    json!(["insert", "shares", { "id": uuid(name), "list_id": uuid(list), "user": user }])
}

/// Alice owns `l` with todo `t`; bob owns `m` with todo `u`; `l` is shared with carol.
fn populated() -> Server {
    let mut server = server();
    assert_eq!(server.code("alice", json!([list("l", "alice"), todo("t", "l"), share("s", "l", "carol")])), "applied");
    assert_eq!(server.code("bob", json!([list("m", "bob"), todo("u", "m")])), "applied");
    server
}

/// Whether the steps are refused with this code, and leave nothing but the ledger.
fn refused(server: &mut Server, user: &str, steps: Json) -> (String, String, Option<Json>) {
    let before = rows(server);
    let result = server.run(user, steps);
    assert_eq!(result.status, MutationStatus::Rejected);
    assert_eq!(rows(server), before);
    let error = result.error.unwrap();
    (error.code, error.message, error.data)
}

/// The rows of the application's tables.
fn rows(server: &mut Server) -> Vec<String> {
    server.dump().into_iter().filter(|row| !row.starts_with("_plasma")).collect()
}

fn code(server: &mut Server, user: &str, steps: Json) -> String {
    refused(server, user, steps).0
}

#[test]
pub(super) fn inserts_are_checked_with_their_image_at_the_end() {
    let mut server = populated();
    assert_eq!(code(&mut server, "alice", json!([list("x", "bob")])), "unauthorized");
    assert_eq!(code(&mut server, "alice", json!([todo("x", "m")])), "unauthorized");
    assert_eq!(code(&mut server, "alice", json!([share("x", "m", "alice")])), "unauthorized");
    // The membership that permits the child comes after it, in the same mutation.
    let mine_later = json!([list("x", "bob"), todo("y", "x"), ["update", "lists", uuid("x"), { "owner": "alice" }]]);
    assert_eq!(server.code("alice", mine_later), "applied");
    // And the reverse: permitted when it was written, not at the end.
    let given_away = json!([list("z", "alice"), ["update", "lists", uuid("z"), { "owner": "bob" }]]);
    assert_eq!(code(&mut server, "alice", given_away), "unauthorized");
    // What is gone at the end breaks no rule.
    assert_eq!(server.code("alice", json!([list("z", "bob"), ["delete", "lists", uuid("z")]])), "applied");
}

#[test]
pub(super) fn a_row_that_may_not_be_read_is_treated_as_absent() {
    let mut server = populated();
    for step in [
        json!(["update", "todos", uuid("u"), { "title": "x" }]),
        json!(["delete", "todos", uuid("u")]),
        json!(["update", "lists", uuid("m"), { "owner": "alice" }]),
    ] {
        let hidden = refused(&mut server, "alice", json!([step]));
        assert_eq!(hidden.0, "not-found");
        // Word for word as for a row that does not exist.
        let text = step.to_string();
        let absent = text.replace(&uuid("u"), &uuid("q")).replace(&uuid("m"), &uuid("q"));
        let absent = refused(&mut server, "alice", json!([serde_json::from_str::<Json>(&absent).unwrap()]));
        assert_eq!(absent.1.replace(&uuid("q"), "?"), hidden.1.replace(&uuid("u"), "?").replace(&uuid("m"), "?"));
        assert_eq!((absent.0, absent.2), (hidden.0, hidden.2));
    }
    // The forms with a condition do not match it either.
    assert_eq!(server.code("alice", json!([["update where title", "u", { "title": "x" }]])), "applied");
    assert_eq!(server.code("alice", json!([["delete where title", "u"]])), "applied");
    assert_eq!(server.texts("SELECT title FROM todos ORDER BY title"), ["t", "u"]);
}

#[test]
pub(super) fn old_images_are_checked_when_the_statement_runs() {
    let mut server = populated();
    // Carol reads the list but may not change it.
    assert_eq!(code(&mut server, "carol", json!([["update", "lists", uuid("l"), { "name": "x" }]])), "unauthorized");
    assert_eq!(code(&mut server, "carol", json!([["delete", "lists", uuid("l")]])), "unauthorized");
    assert_eq!(code(&mut server, "carol", json!([["delete", "todos", uuid("t")]])), "unauthorized");
    assert_eq!(code(&mut server, "carol", json!([["delete where title", "t"]])), "unauthorized");
    assert_eq!(server.code("carol", json!([["update", "todos", uuid("t"), { "title": "by carol" }]])), "applied");
    // Access that the mutation gives up afterwards still counted when the statement ran.
    let steps = json!([["update", "todos", uuid("t"), { "title": "last" }], ["delete", "shares", uuid("s")]]);
    assert_eq!(code(&mut server, "carol", steps), "unauthorized", "the new image is judged at the end");
    assert_eq!(server.code("carol", json!([["delete", "shares", uuid("s")]])), "applied");
    assert_eq!(code(&mut server, "carol", json!([["update", "todos", uuid("t"), { "title": "x" }]])), "not-found");
}

#[test]
pub(super) fn updates_are_checked_after_too() {
    let mut server = populated();
    // Alice may neither give a list away nor plant a todo in bob's.
    assert_eq!(code(&mut server, "alice", json!([["update", "lists", uuid("l"), { "owner": "bob" }]])), "unauthorized");
    assert_eq!(
        code(&mut server, "alice", json!([["update", "todos", uuid("t"), { "list_id": uuid("m") }]])),
        "unauthorized"
    );
    // Nor in two steps, nor with a delete that would hide the second image.
    let steps = json!([
        ["update", "todos", uuid("t"), { "list_id": uuid("m") }],
        ["try", "delete", "todos", uuid("t")]
    ]);
    assert_eq!(code(&mut server, "alice", steps), "unauthorized");
    // One refused row refuses the whole.
    server.run("alice", json!([todo("same", "l")]));
    let shared_and_own = json!([list("own", "carol"), ["update where title", "t", { "list_id": uuid("own") }]]);
    assert_eq!(server.code("carol", shared_and_own), "applied");
}

#[test]
pub(super) fn an_update_cannot_make_a_row_deletable() {
    let mut server = populated();
    // Carol may change t (shared) and move it to a list of hers, whose owner may delete: both steps are permitted, so
    // the mutation is. But a move to a list where the update rule fails may not be hidden by the delete.
    server.run("carol", json!([list("c", "carol")]));
    let moved = json!([["update", "todos", uuid("t"), { "list_id": uuid("c") }], ["delete", "todos", uuid("t")]]);
    assert_eq!(server.code("carol", moved), "applied");
}

#[test]
pub(super) fn frozen_columns_never_change() {
    let mut server = populated();
    assert_eq!(code(&mut server, "alice", json!([["update", "todos", uuid("t"), { "big": "7" }]])), "unauthorized");
    assert_eq!(code(&mut server, "alice", json!([["update where title", "t", { "big": "7" }]])), "unauthorized");
    assert_eq!(server.code("alice", json!([["update", "todos", uuid("t"), { "big": null, "title": "v" }]])), "applied");
    // A row of this mutation's own is only made, not changed.
    let own = json!([todo("w", "l"), ["update", "todos", uuid("w"), { "big": "7" }]]);
    assert_eq!(server.code("alice", own), "applied");
}

#[test]
pub(super) fn trusted_writes_pass_and_cascades_are_not_checked_again() {
    let mut server = populated();
    assert_eq!(
        server.code("alice", json!([["trusted insert", "notes", { "id": uuid("n"), "text": "x", "tag": null }]])),
        "applied"
    );
    assert_eq!(server.code("alice", json!([["trusted update", "lists", uuid("m"), { "name": "renamed" }]])), "applied");
    // Bob adds nothing to l, yet its owner's delete takes everything with it.
    assert_eq!(server.code("alice", json!([["delete", "lists", uuid("l")]])), "applied");
    assert_eq!(server.texts("SELECT title FROM todos"), ["u"]);
}

#[test]
pub(super) fn mutators_read_everything() {
    let mut server = populated();
    assert_eq!(server.code("nobody", json!([["reads", "todos", 2], ["reads", "lists", 2]])), "applied");
}

#[test]
pub(super) fn tables_without_rules_are_open() {
    let mut server = populated();
    let note = json!(["insert", "notes", { "id": uuid("n"), "text": "x", "tag": "t" }]);
    assert_eq!(server.code("alice", json!([note, ["insert", "audit", { "id": uuid("a"), "what": "x" }]])), "applied");
    assert_eq!(server.code("bob", json!([["update", "notes", uuid("n"), { "text": "y" }]])), "applied");
}

#[test]
pub(super) fn constraints_say_nothing_of_rows_that_may_not_be_read() {
    let mut server = populated();
    server.run("alice", json!([["update", "lists", uuid("l"), { "slug": "taken" }]]));
    let steps =
        |owner: &str| json!([["insert", "lists", { "id": uuid("x"), "name": "x", "owner": owner, "slug": "taken" }]]);
    // Alice reads the row in the way, bob does not.
    let (code, message, data) = refused(&mut server, "alice", steps("alice"));
    assert_eq!((code.as_str(), data.unwrap()["columns"].clone()), ("conflict", json!(["slug"])));
    assert!(message.contains("slug"), "{message}");
    for steps in [
        steps("bob"),
        json!([["insert", "lists", { "id": uuid("l"), "name": "x", "owner": "bob", "slug": null }]]),
        json!([["update", "lists", uuid("m"), { "slug": "taken" }]]),
    ] {
        let (code, message, data) = refused(&mut server, "bob", steps);
        assert_eq!((code.as_str(), data), ("conflict", None));
        assert_eq!(message, "a constraint refuses the write");
    }
    // A reference to nothing, and a list that cannot go because of a pin its owner may not read.
    let (code, message, data) = refused(&mut server, "alice", json!([todo("x", "nowhere")]));
    let named = json!({ "constraint": "foreign-key", "table": "todos", "columns": ["list_id"] });
    assert_eq!((code.as_str(), data), ("conflict", Some(named)));
    assert_eq!(message, "the row that `todos.list_id` refers to does not exist");
    server.run("zoe", json!([["insert", "pins", { "id": uuid("p"), "list_id": uuid("l"), "owner": "zoe" }]]));
    let (code, message, data) = refused(&mut server, "alice", json!([["delete", "lists", uuid("l")]]));
    assert_eq!((code.as_str(), message.as_str(), data), ("conflict", "a constraint refuses the write", None));
    // A pin of the caller's own is named, as a client names it.
    server.run("alice", json!([["insert", "pins", { "id": uuid("q"), "list_id": uuid("l"), "owner": "alice" }]]));
    let (_, message, data) = refused(&mut server, "alice", json!([["delete", "lists", uuid("l")]]));
    assert_eq!(data, Some(json!({ "constraint": "foreign-key", "table": "pins", "columns": ["list_id"] })));
    assert_eq!(message, "a row of `pins` still references it by `list_id`");
    // The row's own values may be named.
    let (code, message, _) = refused(&mut server, "alice", json!([["update", "lists", uuid("l"), { "name": null }]]));
    assert_eq!(code, "conflict");
    assert!(message.contains("name"), "{message}");
    // A conflict that the mutator survives is no fault.
    assert_eq!(
        server.code(
            "bob",
            json!([["try", "insert", "lists", { "id": uuid("l"), "name": "x", "owner": "bob", "slug": null }]])
        ),
        "applied"
    );
}
