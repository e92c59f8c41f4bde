//! The digest of the canonical writes: given to who knows what was read, and to nobody else.

use serde_json::{Value as Json, json};

use super::fixture::{Server, definition, mutation, server, uuid};
use crate::protocol::{MutationResult, MutationStatus};

fn insert() -> Json {
    json!([["reads", "notes", 0], ["insert", "notes", { "id": uuid("n"), "text": "x", "tag": null }]])
}

/// Runs `steps` as mutation `id` of a client of alice that says it was told `reads`.
fn run(server: &mut Server, id: u64, steps: Json, reads: Json) -> MutationResult {
    let mut mutation = mutation(id, &format!("k{id}"), steps);
    mutation["reads"] = reads;
    server.push("alice", "c", json!([mutation])).unwrap().results.pop().unwrap()
}

/// What a run is told that reads a table without rows `times` times, as a client that saw the same would say it.
fn told(times: usize) -> String {
    use sha2::{Digest, Sha256};
    let schema = definition().schema;
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    for text in ["plasma effects 1: reads", schema.version, &schema.fingerprint_hex(), "script"] {
        part(text);
    }
    for text in ["rows", "0"].repeat(times) {
        part(text);
    }
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
pub(super) fn a_client_that_read_the_same_is_told_what_was_written() {
    let mut server = server();
    let result = run(&mut server, 1, insert(), json!(told(1)));
    assert_eq!(result.status, MutationStatus::Applied);
    let effects = result.effects.expect("the client knows what was read");
    assert!(effects.len() == 16 && effects.bytes().all(|b| b.is_ascii_hexdigit()), "{effects}");
    // The same writes of another mutation have the same digest on another server.
    let mut other = super::fixture::server();
    run(&mut other, 1, json!([["reads", "lists", 0]]), Json::Null);
    assert_eq!(run(&mut other, 2, insert(), json!(told(1))).effects, Some(effects));
}

#[test]
pub(super) fn whoever_guesses_or_does_not_ask_is_told_nothing() {
    for reads in [Json::Null, json!("0123456789abcdef"), json!(7), json!({ "a": [1] }), json!(told(2))] {
        let mut server = server();
        let result = run(&mut server, 1, insert(), reads.clone());
        assert_eq!((result.status, result.effects), (MutationStatus::Applied, None), "{reads}");
        assert_eq!(server.texts("SELECT coalesce(effects, '-') FROM _plasma_outcomes"), ["-"]);
    }
}

/// A guess costs a mutation: the same one pushed again is a duplicate, and says no more than the first time.
#[test]
pub(super) fn a_duplicate_and_a_rejection_carry_no_digest() {
    let mut server = server();
    assert!(run(&mut server, 1, insert(), json!("wrong")).effects.is_none());
    let again = run(&mut server, 1, insert(), json!(told(1)));
    assert_eq!((again.status, again.effects), (MutationStatus::Duplicate, None));
    let rejected = json!([["reads", "lists", 0], ["reject", "no"]]);
    let result = run(&mut server, 2, rejected, json!(told(1)));
    assert_eq!((result.status, result.effects), (MutationStatus::Rejected, None));
}
