//! Ids, keys, outcomes: every rule of a push, one client at a time.

use serde_json::{Value as Json, json};

use super::fixture::*;
use crate::protocol::{MutationResult, MutationStatus};
use crate::server::{ServerErrorKind, Task};

fn note(name: &str) -> Json {
    json!([["insert", "notes", { "id": uuid(name), "text": name, "tag": null }]])
}

fn statuses(results: &[MutationResult]) -> Vec<(u64, MutationStatus, Option<MutationStatus>)> {
    results.iter().map(|result| (result.id, result.status, result.was)).collect()
}

use MutationStatus::{Applied, Duplicate, Rejected, Skipped};

fn refusal(answer: Answer) -> (u16, String) {
    let refusal = answer.unwrap_err();
    (refusal.status, refusal.error.error)
}

#[test]
pub(super) fn mutations_run_once_in_order_and_their_retries_are_duplicates() {
    let mut server = server();
    let push = json!([mutation(2, "k2", json!([["reject", "out-of-stock"]])), mutation(1, "k1", note("a")),
        { "id": 3, "key": uuid("k3"), "skip": "discarded" }]);
    let first = server.push("alice", "c", push.clone()).unwrap();
    assert_eq!(first.last_mutation_id, 3);
    assert_eq!(statuses(&first.results), [(1, Applied, None), (2, Rejected, None), (3, Skipped, None)]);
    let error = first.results[1].error.clone().unwrap();
    assert_eq!((error.code.as_str(), error.data), ("out-of-stock", Some(json!({ "left": 0 }))));
    let before = server.dump();
    let again = server.push("alice", "c", push).unwrap();
    assert_eq!(again.last_mutation_id, 3);
    let expected = [(1, Duplicate, Some(Applied)), (2, Duplicate, Some(Rejected)), (3, Duplicate, Some(Skipped))];
    assert_eq!(statuses(&again.results), expected);
    assert_eq!(again.results[1].error.as_ref().unwrap().code, "out-of-stock");
    assert_eq!(server.dump(), before, "a retry changes nothing");
}

#[test]
pub(super) fn every_acknowledgement_has_a_position() {
    let mut server = server();
    let push = json!([
        mutation(1, "k1", note("a")),
        mutation(2, "k2", json!([["reject", "no"]])),
        mutation(3, "k3", json!([]))
    ]);
    server.push("alice", "c", push).unwrap();
    let log = server.log_since(1);
    assert!(log[0].starts_with("put notes") && log[0].ends_with("c 1"), "{log:?}");
    assert_eq!(log[1..], ["ack   - - c 2", "ack   - - c 3"]);
    assert_eq!(server.texts("SELECT row_version || '' FROM _plasma_outcomes ORDER BY mutation_id"), ["2", "3", "4"]);
    assert_eq!(server.int("SELECT row_version FROM _plasma_client_mutations"), 4);
}

#[test]
pub(super) fn a_gap_ends_the_push_and_keeps_what_ran_before_it() {
    let mut server = server();
    let push = json!([mutation(1, "k1", note("a")), mutation(3, "k3", note("c")), mutation(4, "k4", note("d"))]);
    let refusal = server.push("alice", "c", push).unwrap_err();
    assert_eq!((refusal.status, refusal.error.error.as_str()), (409, "mutation-gap"));
    let members = refusal.error.members;
    assert_eq!((&members["expected"], &members["lastMutationID"]), (&json!(2), &json!(1)));
    assert_eq!(members["results"], json!([{ "id": 1, "status": "applied" }]));
    assert_eq!(server.texts("SELECT text FROM notes"), ["a"]);
    // A gap at once binds nothing.
    assert_eq!(refusal_of(server.push("bob", "d", json!([mutation(2, "x", note("b"))]))), (409, "mutation-gap".into()));
    assert_eq!(server.int("SELECT count(*) FROM _plasma_client_mutations"), 1);
}

fn refusal_of(answer: Answer) -> (u16, String) {
    refusal(answer)
}

#[test]
pub(super) fn a_key_known_in_the_group_is_not_run_again() {
    let mut server = server();
    server
        .push("alice", "old", json!([mutation(1, "k1", note("a")), mutation(2, "k2", json!([["reject", "no"]]))]))
        .unwrap();
    // The outbox is issued again under another client id, with a third entry in front.
    let push = json!([
        mutation(1, "k0", note("z")),
        mutation(2, "k1", note("a")),
        mutation(3, "k2", json!([["reject", "no"]])),
        mutation(4, "k1", note("a"))
    ]);
    let answer = server.push("alice", "new", push.clone()).unwrap();
    assert_eq!(
        statuses(&answer.results),
        [
            (1, Applied, None),
            (2, Duplicate, Some(Applied)),
            (3, Duplicate, Some(Rejected)),
            (4, Duplicate, Some(Applied))
        ]
    );
    assert_eq!(answer.results[2].error.as_ref().unwrap().code, "no");
    assert_eq!(server.int("SELECT count(*) FROM notes"), 2);
    // Key and outcome are stored under the new id as well.
    let again = server.push("alice", "new", push).unwrap();
    assert!(again.results.iter().all(|result| result.status == Duplicate));
    // Another group's key is another mutation.
    let other = server.push("bob", "bobs", json!([mutation(1, "k1", note("b"))])).unwrap();
    assert_eq!(statuses(&other.results), [(1, Applied, None)]);
}

#[test]
pub(super) fn a_fork_is_found_before_anything_runs() {
    let mut server = server();
    server.push("alice", "c", json!([mutation(1, "k1", note("a")), mutation(2, "k2", note("b"))])).unwrap();
    let before = server.dump();
    for push in [
        json!([mutation(2, "other", note("x")), mutation(3, "k3", note("y"))]),
        json!([mutation(3, "k3", note("y")), mutation(1, "k2", note("x"))]),
    ] {
        assert_eq!(refusal(server.push("alice", "c", push)), (409, "client-forked".into()));
    }
    // A key that was dropped counts as another.
    assert_eq!(server.dump(), before);
    server.sql("DELETE FROM _plasma_outcomes WHERE mutation_id = 1");
    assert_eq!(
        refusal(server.push("alice", "c", json!([mutation(1, "k1", note("a"))]))),
        (409, "client-forked".into())
    );
    // The fork wins over a gap that comes later in the push.
    let push = json!([mutation(2, "other", note("x")), mutation(9, "k9", note("y"))]);
    assert_eq!(refusal(server.push("alice", "c", push)), (409, "client-forked".into()));
}

#[test]
pub(super) fn a_client_belongs_to_the_group_whose_push_first_advanced_it() {
    let mut server = server();
    server.push("alice", "c", json!([])).unwrap();
    server.push("bob", "c", json!([mutation(1, "k1", json!([["reject", "no"]]))])).unwrap();
    assert_eq!(refusal(server.push("alice", "c", json!([]))), (400, "client-id-taken".into()));
    server.sql("UPDATE _plasma_client_mutations SET expired = TRUE");
    assert_eq!(refusal(server.push("bob", "c", json!([]))), (409, "client-expired".into()));
    assert_eq!(refusal(server.push("alice", "c", json!([]))), (400, "client-id-taken".into()));
}

#[test]
pub(super) fn settled_outcomes_forget_their_words_and_keep_their_code() {
    let mut server = server();
    let reject = json!([["reject", "no"]]);
    let push = json!([mutation(1, "k1", reject.clone()), mutation(2, "k2", reject.clone())]);
    server.push("alice", "c", push.clone()).unwrap();
    let settle = |server: &mut Server, settled: u64, mutations: Json| {
        let mut job = job("alice", "c", mutations);
        job.request.settled = Some(settled);
        server.push_jobs(&[job]).pop().unwrap().unwrap()
    };
    settle(&mut server, 1, json!([]));
    let again = server.push("alice", "c", push).unwrap().results;
    let words: Vec<_> = again.iter().map(|r| r.error.clone().unwrap()).map(|e| (e.code, e.message, e.data)).collect();
    assert_eq!(words[0], ("no".into(), "".into(), None));
    assert_eq!(words[1], ("no".into(), "the application says no".into(), Some(json!({ "left": 0 }))));
    // Above the ledger as it was before the push it counts as that: what this push rejects keeps its words.
    settle(&mut server, 1_000, json!([mutation(3, "k3", reject)]));
    let forgotten = server.texts("SELECT coalesce(message, 'forgotten') FROM _plasma_outcomes ORDER BY mutation_id");
    assert_eq!(forgotten, ["forgotten", "forgotten", "the application says no"]);
    assert_eq!(server.int("SELECT settled FROM _plasma_client_mutations"), 2);
    // It never goes back.
    settle(&mut server, 0, json!([]));
    assert_eq!(server.int("SELECT settled FROM _plasma_client_mutations"), 2);
}

#[test]
pub(super) fn one_malformed_mutation_is_rejected_alone() {
    let mut server = server();
    let whole = mutation(1, "k", note("a"));
    let with = |member: &str, value: Json| {
        let mut mutation = whole.clone();
        mutation[member] = value;
        mutation
    };
    let without = |member: &str| {
        let mut mutation = whole.clone();
        mutation.as_object_mut().unwrap().remove(member);
        mutation
    };
    let cases = [
        (with("name", json!(7)), "invalid-args"),
        (without("name"), "invalid-args"),
        (with("name", json!("todos.nothing")), "unknown-mutator"),
        (with("timestamp", json!("soon")), "invalid-args"),
        (with("timestamp", json!(1.5)), "invalid-args"),
        (with("timestamp", json!(u64::MAX)), "invalid-args"),
        (with("timestamp", json!(1_i64 << 53)), "invalid-args"),
        (without("timestamp"), "invalid-args"),
        (without("args"), "invalid-args"),
        (with("args", json!({})), "invalid-args"),
        (with("args", json!([["insert", "notes\u{0}"]])), "invalid-args"),
        (with("skip", json!("later")), "invalid-args"),
        (with("skip", json!(1)), "invalid-args"),
    ];
    for (index, (mut mutation, code)) in cases.into_iter().enumerate() {
        let id = index as u64 + 1;
        mutation["id"] = json!(id);
        mutation["key"] = json!(uuid(&format!("bad{id}")));
        let answer = server.push("alice", "c", json!([mutation])).unwrap();
        assert_eq!(answer.last_mutation_id, id);
        assert_eq!(answer.results[0].error.as_ref().map(|e| e.code.as_str()), Some(code), "{mutation}");
    }
    // `skip` wins over everything else that is wrong.
    let skipped = json!([{ "id": 14, "key": uuid("skip"), "skip": "too-large", "name": 1, "args": "\u{0}" }]);
    assert_eq!(statuses(&server.push("alice", "c", skipped).unwrap().results), [(14, Skipped, None)]);
    assert_eq!(server.int("SELECT count(*) FROM notes"), 0);
}

#[test]
pub(super) fn panics_foreign_awaits_and_internal_errors_are_final_and_say_nothing() {
    let mut server = server();
    let half = |step: &str| json!([["insert", "notes", { "id": uuid("n"), "text": "x", "tag": null }], [step]]);
    let result = server.run("alice", half("panic")).error.unwrap();
    assert_eq!((result.code.as_str(), result.message.as_str()), ("panic", "the mutator panicked"));
    let result = server.run("alice", half("await")).error.unwrap();
    assert_eq!(result.code, "foreign-await");
    assert!(result.message.contains("the mutator `script` awaited"), "{}", result.message);
    let result = server.run("alice", half("internal")).error.unwrap();
    assert_eq!(result.code, "internal");
    assert!(!result.message.contains("secret"), "{}", result.message);
    assert_eq!(server.int("SELECT count(*) FROM notes"), 0);
    assert_eq!(server.int("SELECT last_mutation_id FROM _plasma_client_mutations"), 3);
    let heard = server.errors();
    assert!(heard.iter().all(|(kind, _)| *kind == ServerErrorKind::MutationError));
    assert!(heard[0].1.contains("at the disco") && heard[2].1.contains("secret detail"), "{heard:?}");
}

#[test]
pub(super) fn budgets_end_runaway_mutators_even_those_that_hide_it() {
    let mut server = server_with(|options| {
        options.limits.mutation_statements = 20;
        options.limits.mutation_rows = 30;
    });
    assert_eq!(server.run("alice", json!([["forever"]])).error.unwrap().code, "internal");
    let hidden = json!([["insert", "notes", { "id": uuid("n"), "text": "x", "tag": null }], ["try", "forever"]]);
    let error = server.run("alice", hidden).error.unwrap();
    assert!(error.message.contains("more than 20 statements"), "{}", error.message);
    assert_eq!(server.int("SELECT count(*) FROM notes"), 0);
}

#[test]
pub(super) fn ids_and_time_come_from_the_envelope() {
    let mut server = server();
    let run = |server: &mut Server| server.run("alice", json!([["note the envelope"], ["note the envelope"]]));
    assert_eq!(run(&mut server).status, Applied);
    let first = server.texts("SELECT id || text FROM notes ORDER BY id");
    assert_eq!(first.len(), 2);
    assert!(first[0].contains("1729999999000 Some(1730000000000)"), "{first:?}");
    // The same mutation on another server makes the same rows.
    let mut other = super::fixture::server();
    run(&mut other);
    assert_eq!(other.texts("SELECT id || text FROM notes ORDER BY id"), first);
}

#[test]
pub(super) fn a_passing_fault_is_503_and_is_tried_again_until_it_is_hopeless() {
    let mut server = server();
    let push =
        json!([mutation(1, "k1", note("a")), mutation(2, "k2", json!([["fault"]])), mutation(3, "k3", note("c"))]);
    for attempt in 0..5 {
        assert_eq!(refusal(server.push("alice", "c", push.clone())), (503, "unavailable".into()), "{attempt}");
        // What came before the fault is committed, what comes after it is not run.
        assert_eq!(server.texts("SELECT text FROM notes"), ["a"]);
        // Nobody else has succeeded: it may be the server's fault for hours.
        assert!(server.errors().iter().any(|(_, text)| text.contains("mail server")));
    }
    assert_eq!(refusal(server.push("alice", "c", push.clone())), (503, "unavailable".into()));
    server.run("bob", note("b"));
    let answer = server.push("alice", "c", push).unwrap();
    assert_eq!(statuses(&answer.results), [(1, Duplicate, Some(Applied)), (2, Rejected, None), (3, Applied, None)]);
    let error = answer.results[1].error.clone().unwrap();
    assert_eq!((error.code.as_str(), error.message.contains("mail")), ("internal", false));
}

#[test]
pub(super) fn a_job_runs_once_per_key() {
    let mut server = server();
    let task = |name: &'static str, fail: bool| Task {
        ctx: None,
        key: Some(uuid::Uuid::parse_str(&uuid("nightly")).unwrap()),
        run: std::sync::Arc::new(move |executor, meta| {
            Box::pin(async move {
                assert_eq!((meta.client_id.as_deref(), meta.mutation_id), (None, None));
                let row = vec![uuid(name).into(), name.into(), crate::value::Value::Null];
                let write = crate::query::ir::Write::Insert { table: &NOTES, row };
                executor.write(write, crate::mutate::Access::Checked).await?;
                if fail { Err(crate::Error::rejected("no", "not tonight")) } else { Ok(()) }
            })
        }),
    };
    let run = |server: &mut Server, task: &Task| server.run_task(task);
    assert_eq!(run(&mut server, &task("first", true)).unwrap_err().code(), "no");
    let again = run(&mut server, &task("first", false)).unwrap_err();
    assert_eq!((again.code(), again.message()), ("no", "not tonight"));
    assert_eq!(server.int("SELECT count(*) FROM notes"), 0);
    let mut without_key = task("second", false);
    without_key.key = None;
    run(&mut server, &without_key).unwrap();
    assert_eq!(server.texts("SELECT text FROM notes"), ["second"]);
    let log = server.log_since(1);
    assert!(log[0].starts_with("ack") && log[0].ends_with("_plasma_jobs 1"), "{log:?}");
    assert!(log[1].ends_with("- -"), "{log:?}");
}

#[test]
pub(super) fn clients_that_were_not_heard_of_for_long_expire() {
    const DAY: i64 = 86_400_000;
    let mut server = server();
    server.push("alice", "idle", json!([mutation(1, "k1", note("a"))])).unwrap();
    server.push("alice", "alive", json!([mutation(1, "k2", note("b"))])).unwrap();
    let expire = |server: &mut Server| {
        let now = server.now;
        server.expire_clients(now)
    };
    server.now += 399 * DAY;
    // A push without mutations is a sign of life too.
    server.push("alice", "alive", json!([])).unwrap();
    assert_eq!(expire(&mut server), 0);
    server.now += 2 * DAY;
    assert_eq!((expire(&mut server), expire(&mut server)), (1, 0));
    assert_eq!(refusal(server.push("alice", "idle", json!([]))), (409, "client-expired".into()));
    server.push("alice", "alive", json!([mutation(2, "k3", note("c"))])).unwrap();
    // Its queue, issued again under a new id, runs nothing twice.
    let again =
        server.push("alice", "new", json!([mutation(1, "k1", note("a")), mutation(2, "k4", note("d"))])).unwrap();
    assert_eq!(statuses(&again.results), [(1, Duplicate, Some(Applied)), (2, Applied, None)]);
}
