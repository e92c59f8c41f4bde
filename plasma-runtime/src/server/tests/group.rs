//! Many pushes in one durable commit, and databases that fail under them.

use serde_json::{Value as Json, json};

use super::fixture::*;
use crate::protocol::{MutationResult, MutationStatus};
use crate::query::lower::Dialect;
use crate::server::PushJob;
use crate::store::SqlExecutor;

fn insert(name: &str) -> Json {
    json!(["insert", "notes", { "id": uuid(name), "text": name, "tag": null }])
}

fn one(id: u64, key: &str) -> Json {
    mutation(id, key, json!([insert(key)]))
}

fn status(result: &MutationResult) -> (u64, MutationStatus, Option<MutationStatus>) {
    (result.id, result.status, result.was)
}

fn ended(answer: &Answer) -> Vec<(u64, MutationStatus, Option<MutationStatus>)> {
    answer.as_ref().unwrap().results.iter().map(status).collect()
}

use MutationStatus::{Applied, Duplicate, Rejected};

/// The nasty case of a group commit: A[m1, m2], B[m9] that writes and panics, A's retry, C[m4] that fills the disk.
#[test]
pub(super) fn nasty_case_group_commit() {
    let mut server = server();
    // B and C have a past.
    for id in 1..=8 {
        server.push("bob", "b", json!([one(id, &format!("b{id}"))])).unwrap();
    }
    for id in 1..=3 {
        server.push("carol", "c", json!([one(id, &format!("c{id}"))])).unwrap();
    }
    let before = server.int("SELECT count(*) FROM notes");
    let a = || job("alice", "a", json!([one(1, "a1"), one(2, "a2")]));
    let b = job("bob", "b", json!([mutation(9, "b9", json!([insert("x"), insert("y"), insert("z"), ["panic"]]))]));
    let c = job("carol", "c", json!([one(4, "full-disk")]));
    server.db.poison = Some("full-disk".to_owned());
    let group = [a(), b, a(), c];
    let answers = server.push_jobs(&group);
    assert_eq!(ended(&answers[0]), [(1, Applied, None), (2, Applied, None)]);
    assert_eq!(ended(&answers[1]), [(9, Rejected, None)]);
    assert_eq!(answers[1].as_ref().unwrap().results[0].error.as_ref().unwrap().code, "panic");
    // A's retry finds the outcomes of the first.
    assert_eq!(ended(&answers[2]), [(1, Duplicate, Some(Applied)), (2, Duplicate, Some(Applied))]);
    let refusal = answers[3].as_ref().unwrap_err();
    assert_eq!((refusal.status, refusal.error.error.as_str(), refusal.retry_after), (503, "unavailable", Some(1)));
    // Everybody who was acknowledged has rows, and nobody else.
    assert_eq!(server.int("SELECT count(*) FROM notes"), before + 2);
    assert_eq!(server.texts("SELECT text FROM notes WHERE text LIKE 'a%' ORDER BY text"), ["a1", "a2"]);
    let last = "SELECT client_id || last_mutation_id FROM _plasma_client_mutations ORDER BY client_id";
    assert_eq!(server.texts(last), ["a2", "b9", "c3"]);
    // Space returns: C's retry runs, everybody else's is a duplicate.
    server.db.poison = None;
    let answers = server.push_jobs(&group);
    assert_eq!(ended(&answers[3]), [(4, Applied, None)]);
    assert!(answers[..3].iter().flat_map(ended).all(|(_, status, _)| status == Duplicate));
    assert_eq!(server.int("SELECT count(*) FROM notes"), before + 3);
}

/// What must hold whatever failed where: who was acknowledged has its effect once, who was not has none or finds it in
/// the ledger, and a retry of all brings everybody to the same end.
#[test]
fn a_failure_at_any_statement_loses_and_doubles_nothing() {
    let jobs = || -> Vec<PushJob> {
        vec![
            job(
                "alice",
                "a",
                json!([one(1, "a1"), mutation(2, "a2", json!([insert("q"), ["reject", "no"]])), one(3, "a3")]),
            ),
            job("bob", "b", json!([one(1, "b1"), one(3, "gap")])),
            job("alice", "a", json!([one(1, "a1")])),
            job(
                "carol",
                "c",
                json!([one(1, "a-key-of-her-own"), mutation(2, "c2", json!([["delete", "notes", uuid("a1")]]))]),
            ),
        ]
    };
    let mut clean = server();
    let start = clean.db.count;
    clean.push_jobs(&jobs());
    let statements = clean.db.count - start;
    assert!(statements > 40, "{statements}");
    clean.push_jobs(&jobs());
    let end = clean.texts("SELECT text FROM notes ORDER BY text");
    let ledger = "SELECT client_id || last_mutation_id FROM _plasma_client_mutations ORDER BY client_id";
    let ledger_end = clean.texts(ledger);
    for failure in [Failure::RollsBack, Failure::Statement] {
        for at in 1..=statements {
            let context = format!("{failure:?} at {at}");
            let mut server = server();
            server.db.failure = failure;
            (server.db.count, server.db.at) = (0, Some(at));
            let answers = server.push_jobs(&jobs());
            server.db.at = None;
            assert!(!server.db.inner.in_transaction(), "{context}");
            assert_consistent(&mut server, &context);
            for (job, answer) in jobs().iter().zip(&answers) {
                let Ok(answer) = answer else { continue };
                let last = server.int(&format!(
                    "SELECT last_mutation_id FROM _plasma_client_mutations WHERE client_id = '{}'",
                    job.request.client_id
                ));
                assert!(last as u64 >= answer.last_mutation_id, "{context}: acknowledged and not committed");
            }
            server.push_jobs(&jobs());
            assert_consistent(&mut server, &context);
            assert_eq!(server.texts("SELECT text FROM notes ORDER BY text"), end, "{context}");
            assert_eq!(server.texts(ledger), ledger_end, "{context}");
        }
    }
}

/// The ledger, the outcomes, the log and the rows tell one story.
fn assert_consistent(server: &mut Server, context: &str) {
    let applied_without_row = server.texts(
        "SELECT client_id || mutation_id FROM _plasma_outcomes o WHERE status = 'applied' AND NOT EXISTS (
           SELECT 1 FROM _plasma_changes c WHERE c.client_id = o.client_id AND c.mutation_id = o.mutation_id)",
    );
    assert_eq!(applied_without_row, Vec::<String>::new(), "{context}");
    let rows_without_outcome = server.texts(
        "SELECT op || row_id FROM _plasma_changes c WHERE client_id IS NOT NULL AND NOT EXISTS (
           SELECT 1 FROM _plasma_outcomes o WHERE o.client_id = c.client_id AND o.mutation_id = c.mutation_id)",
    );
    assert_eq!(rows_without_outcome, Vec::<String>::new(), "{context}");
    let holes = "SELECT client_id FROM _plasma_client_mutations l WHERE last_mutation_id <> (
        SELECT count(*) FROM _plasma_outcomes o WHERE o.client_id = l.client_id)";
    assert_eq!(server.texts(holes), Vec::<String>::new(), "{context}");
    assert_eq!(server.int("SELECT count(*) FROM notes WHERE text = 'q'"), 0, "{context}: a rejected write");
    let origin = "SELECT count(*) FROM _plasma_origin WHERE client_id IS NULL AND mark IS NULL AND now IS NULL";
    assert_eq!(server.int(origin), 1, "{context}");
    // The last acknowledgement of a client is the position of its newest outcome, and of its own entry in the log.
    let positions = "SELECT count(*) FROM _plasma_client_mutations l JOIN _plasma_outcomes o
        ON o.client_id = l.client_id AND o.mutation_id = l.last_mutation_id
        JOIN _plasma_changes c ON c.row_version = l.row_version AND c.client_id = l.client_id
        WHERE o.row_version = l.row_version AND c.mutation_id = l.last_mutation_id";
    assert_eq!(server.int(positions), server.int("SELECT count(*) FROM _plasma_client_mutations"), "{context}");
}

#[test]
fn a_trigger_that_rolls_everything_back_is_the_mutations_own_fault() {
    let mut server = server();
    server.sql(
        "CREATE TRIGGER no_spam BEFORE INSERT ON notes WHEN NEW.text LIKE '%spam%'
         BEGIN SELECT RAISE(ROLLBACK, 'no spam here'); END",
    );
    let jobs = [
        job("alice", "a", json!([one(1, "a1")])),
        job("bob", "b", json!([one(1, "b1"), one(2, "spam"), one(3, "b3"), one(4, "more spam")])),
        job("carol", "c", json!([one(1, "c1")])),
    ];
    let answers = server.push_jobs(&jobs);
    assert_eq!(ended(&answers[0]), [(1, Applied, None)]);
    assert_eq!(ended(&answers[1]), [(1, Applied, None), (2, Rejected, None), (3, Applied, None), (4, Rejected, None)]);
    assert_eq!(answers[1].as_ref().unwrap().results[1].error.as_ref().unwrap().code, "conflict");
    assert_eq!(ended(&answers[2]), [(1, Applied, None)]);
    assert_eq!(server.texts("SELECT text FROM notes ORDER BY text"), ["a1", "b1", "b3", "c1"]);
}

#[test]
pub(super) fn savepoints_are_taken_where_one_was_needed() {
    let mut server = server();
    let sqlite = server.db.dialect() == Dialect::Sqlite;
    let none = |server: &Server, what: &str| assert_eq!(server.db.savepoints, 0, "{what}");
    server.push("alice", "a", json!([one(1, "a1"), one(2, "a2")])).unwrap();
    none(&server, "what goes well");
    // It fails before it wrote: by its own word, by a policy, or by its first statement (which Postgres does not undo alone).
    server.push("alice", "a", json!([mutation(3, "a3", json!([["reject", "no"]])), one(4, "a4")])).unwrap();
    none(&server, "nothing to undo");
    if sqlite {
        let taken = server.push("alice", "a", json!([mutation(5, "a5", json!([insert("a1")])), one(6, "a6")])).unwrap();
        assert_eq!(taken.results.iter().map(status).collect::<Vec<_>>(), [(5, Rejected, None), (6, Applied, None)]);
        none(&server, "the statement is undone alone");
    } else {
        server.push("alice", "a", json!([one(5, "a5"), one(6, "a6")])).unwrap();
    }
    // It wrote: the transaction of three runs again, with savepoints, and nothing of the failed one stays.
    let late = json!([insert("x"), insert("a1")]);
    let push = json!([one(7, "a7"), mutation(8, "a8", late.clone()), one(9, "a9")]);
    let answer = server.push("alice", "a", push).unwrap();
    let expected = [(7, Applied, None), (8, Rejected, None), (9, Applied, None)];
    assert_eq!(answer.results.iter().map(status).collect::<Vec<_>>(), expected);
    assert_eq!(server.db.savepoints, 3);
    assert_eq!(server.int("SELECT count(*) FROM notes WHERE text = 'x'"), 0);
    assert_eq!(server.int("SELECT count(*) FROM notes WHERE text IN ('a7', 'a9')"), 2);
    assert_eq!(server.log_since(0).iter().filter(|entry| entry.contains("\"x\"")).count(), 0);
    if !sqlite {
        // The second statement's failure was not waited for: it is no reason for the next transactions to be careful.
        server.push("bob", "b", json!([one(1, "b1")])).unwrap();
        assert_eq!(server.db.savepoints, 3);
        return;
    }
    // The next transactions have them from the start: a second failure costs no second run.
    let before = server.db.count;
    server.push("bob", "b", json!([mutation(1, "b1", late.clone())])).unwrap();
    assert_eq!(server.db.savepoints, 4);
    let cautious = server.db.count - before;
    for id in 1..=63 {
        server.push("carol", "c", json!([one(id, &format!("c{id}"))])).unwrap();
    }
    assert_eq!(server.db.savepoints, 4 + 63);
    // Then no more, until the next one is needed.
    server.push("carol", "c", json!([one(64, "c64")])).unwrap();
    assert_eq!(server.db.savepoints, 4 + 63);
    let before = server.db.count;
    server.push("bob", "b", json!([mutation(2, "b2", late)])).unwrap();
    assert_eq!(server.db.savepoints, 4 + 64);
    assert!(server.db.count - before > cautious, "it ran twice");
}

#[test]
pub(super) fn a_mutation_that_can_never_be_committed_blocks_its_client_only_until_it_is_hopeless() {
    let mut server = server();
    server.db.poison = Some("too big".to_owned());
    let push = json!([one(1, "m1"), one(2, "too big"), one(3, "m3")]);
    for attempt in 0..5 {
        let refusal = server.push("alice", "a", push.clone()).unwrap_err();
        assert_eq!(refusal.status, 503, "{attempt}");
        // What comes before it does not wait for it.
        assert_eq!(server.texts("SELECT text FROM notes"), ["m1"], "{attempt}");
    }
    let answer = server.push("alice", "a", push).unwrap();
    assert_eq!(
        answer.results.iter().map(status).collect::<Vec<_>>(),
        [(1, Duplicate, Some(Applied)), (2, Rejected, None), (3, Applied, None)]
    );
    assert_eq!(answer.results[1].error.as_ref().unwrap().code, "internal");
}

#[test]
pub(super) fn a_database_that_is_down_is_nobodys_fault() {
    let mut server = server();
    for _ in 0..10 {
        (server.db.count, server.db.at) = (0, Some(1));
        assert_eq!(server.push("alice", "a", json!([one(1, "m1")])).unwrap_err().status, 503);
    }
    server.db.at = None;
    assert_eq!(ended(&server.push("alice", "a", json!([one(1, "m1")]))), [(1, Applied, None)]);
}
