//! Planted bugs: each must be found, by the invariant it breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use plasma::sim::{Faults, NoTamper, ServerId, Settings, Sim, Tamper};
use plasma_runtime::protocol::{Method, PatchOp, PullResponse, PushRequest, PushResponse, WireRequest, WireResponse};
use plasma_runtime::store::SqlConnection;
use plasma_runtime::value::{Kind, Value};

use super::lists;

/// Finds the bug within these seeds, by one of these invariants.
fn finds(tamper: impl Tamper + 'static, faults: Faults, invariants: &[&str]) {
    let report = Sim::new(lists())
        .seeds(0..400)
        .settings(Settings { settle_ms: 200_000, replay_checks: 60, ..Settings::default() })
        .faults(faults)
        .tamper(tamper)
        .twice_every(0)
        .stop_at_first_failure()
        .run();
    let Some(failure) = report.failures.first() else { panic!("not found in {} seeds", report.seeds) };
    eprintln!("found after {} seeds: {}", report.seeds, failure.violation);
    assert!(invariants.contains(&failure.violation.invariant), "found by another invariant: {}", failure.violation);
}

fn push_of(request: &WireRequest) -> Option<PushRequest> {
    (request.method == Method::Post).then(|| serde_json::from_slice(&request.body).ok()).flatten()
}

fn parameter<'q>(request: &'q WireRequest, name: &str) -> Option<&'q str> {
    let pairs = request.query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Rewrites the page of a successful pull.
fn edit_page(request: &WireRequest, response: &mut WireResponse, edit: impl FnOnce(&mut PullResponse)) {
    if request.method == Method::Get
        && response.status == 200
        && let Ok(mut page) = serde_json::from_slice::<PullResponse>(&response.body)
    {
        edit(&mut page);
        response.body = serde_json::to_vec(&page).expect("a page is JSON").into();
    }
}

/// The same harness without a bug finds nothing: what it finds below is the bug.
#[test]
fn nothing_is_found_where_nothing_is_planted() {
    Sim::new(lists()).seeds(0..40).tamper(NoTamper).twice_every(0).run().assert_passed();
}

/// The server forgets what it ran: a push that arrives again runs again.
#[test]
fn ledger_check_skipped() {
    struct Forget;
    impl Tamper for Forget {
        fn server(&self, _: ServerId, request: &WireRequest, db: &mut dyn SqlConnection) -> plasma::Result<()> {
            if let Some(push) = push_of(request)
                && let Some(first) = push.mutations.first()
            {
                let id = Value::Int(first.id as i64);
                let client = Value::from(push.client_id.as_str());
                db.execute(
                    "DELETE FROM _plasma_outcomes WHERE client_id = ?1 AND mutation_id >= ?2",
                    &[client.clone(), id.clone()],
                )?;
                db.execute(
                    "UPDATE _plasma_client_mutations SET last_mutation_id = ?2 - 1 \
                     WHERE client_id = ?1 AND last_mutation_id >= ?2",
                    &[client, id],
                )?;
            }
            Ok(())
        }
    }
    finds(Forget, Faults::ORDINARY, &["I1", "I2", "I6"]);
}

/// A pull acknowledges what a push has just answered, whatever its page holds.
#[test]
fn ack_before_effect() {
    #[derive(Default)]
    struct Early(Mutex<BTreeMap<String, u64>>);
    impl Tamper for Early {
        fn response(&self, _: ServerId, request: &WireRequest, response: &mut WireResponse) {
            let mut acknowledged = self.0.lock().expect("no panic holds it");
            if let Some(push) = push_of(request) {
                if let Ok(answer) = serde_json::from_slice::<PushResponse>(&response.body) {
                    acknowledged.insert(push.client_id, answer.last_mutation_id);
                }
            } else if let Some(client) = parameter(request, "clientID")
                && let Some(last) = acknowledged.get(client)
            {
                edit_page(request, response, |page| {
                    if !page.partial && page.has_more {
                        page.last_mutation_ids.insert(client.to_owned(), *last);
                        page.last_key = None;
                    }
                });
            }
        }
    }
    finds(Early::default(), Faults::NONE, &["I6"]);
}

/// The server takes ids above the next one.
#[test]
fn gap_accepted() {
    struct Jump;
    impl Tamper for Jump {
        fn server(&self, _: ServerId, request: &WireRequest, db: &mut dyn SqlConnection) -> plasma::Result<()> {
            if let Some(push) = push_of(request)
                && let Some(first) = push.mutations.first()
            {
                db.execute(
                    "UPDATE _plasma_client_mutations SET last_mutation_id = ?2 - 1 \
                     WHERE client_id = ?1 AND last_mutation_id < ?2 - 1",
                    &[push.client_id.as_str().into(), Value::Int(first.id as i64)],
                )?;
            }
            Ok(())
        }
    }
    finds(Jump, Faults { restore: 8, ..Faults::ALL }, &["I1", "I3", "I6"]);
}

/// A client shows the bare base after a pull: what is pending was undone and not run again.
#[test]
fn rebase_without_replay() {
    struct Bare;
    impl Tamper for Bare {
        fn client(&self, store: &mut dyn SqlConnection) -> plasma::Result<()> {
            store.batch(
                "DELETE FROM entries WHERE id IN \
                   (SELECT row_id FROM _plasma_effects WHERE table_name = 'entries' AND before IS NULL); \
                 DELETE FROM _plasma_effects WHERE table_name = 'entries';",
            )
        }
    }
    finds(Bare, Faults::ORDINARY, &["I15", "I7"]);
}

/// What pending mutations had read is forgotten, so that replays are left out that were needed.
#[test]
fn replay_skipped_although_a_pulled_row_was_read() {
    struct Unread;
    impl Tamper for Unread {
        fn client(&self, store: &mut dyn SqlConnection) -> plasma::Result<()> {
            store.execute("UPDATE _plasma_outbox SET reads = '{}'", &[]).map(drop)
        }
    }
    finds(Unread, Faults::ORDINARY, &["I15", "I7"]);
}

/// Deletes do not reach the clients.
#[test]
fn tombstone_dropped() {
    struct Dropped;
    impl Tamper for Dropped {
        fn response(&self, _: ServerId, request: &WireRequest, response: &mut WireResponse) {
            edit_page(request, response, |page| page.patch.retain(|op| !matches!(op, PatchOp::Del { .. })));
        }
    }
    finds(Dropped, Faults::NONE, &["I5", "I9"]);
}

/// Rows that may no longer be read stay; deletes do reach the clients.
#[test]
fn del_on_revocation_missing() {
    #[derive(Default)]
    struct Stay(Mutex<BTreeSet<String>>);
    impl Tamper for Stay {
        fn server(&self, _: ServerId, _: &WireRequest, db: &mut dyn SqlConnection) -> plasma::Result<()> {
            let sql = "SELECT id FROM todos UNION SELECT id FROM lists UNION SELECT id FROM shares";
            let rows = db.query(sql, &[], &[Kind::Text])?;
            let there = rows.into_iter().filter_map(|row| row[0].as_text().map(str::to_owned)).collect();
            *self.0.lock().expect("no panic holds it") = there;
            Ok(())
        }
        fn response(&self, _: ServerId, request: &WireRequest, response: &mut WireResponse) {
            let there = self.0.lock().expect("no panic holds it");
            edit_page(request, response, |page| {
                page.patch.retain(|op| !matches!(op, PatchOp::Del { id, .. } if there.contains(id)));
            });
        }
    }
    // One thread: the sabotage remembers the rows of one server.
    let report = Sim::new(lists())
        .seeds(0..400)
        .faults(Faults::NONE)
        .tamper(Stay::default())
        .twice_every(0)
        .threads(1)
        .stop_at_first_failure()
        .run();
    let Some(failure) = report.failures.first() else { panic!("not found in {} seeds", report.seeds) };
    assert!(["I5", "I9", "I11"].contains(&failure.violation.invariant), "{}", failure.violation);
}

/// The server knows keys under one client id only: a copy that issues its outbox again runs it again.
#[test]
fn reissued_outbox_applied_twice() {
    struct Keyless;
    impl Tamper for Keyless {
        fn server(&self, _: ServerId, request: &WireRequest, db: &mut dyn SqlConnection) -> plasma::Result<()> {
            if let Some(push) = push_of(request) {
                db.execute(
                    "UPDATE _plasma_outcomes SET key = client_id || ':' || mutation_id WHERE client_id <> ?1",
                    &[push.client_id.as_str().into()],
                )?;
            }
            Ok(())
        }
    }
    finds(Keyless, Faults { copy: 8, ..Faults::ALL }, &["I1", "I2", "I6"]);
}

/// Positions carry no marks: a restored server that was written past the old position goes unnoticed.
#[test]
fn restored_server_unnoticed() {
    struct Markless;
    impl Tamper for Markless {
        fn server(&self, _: ServerId, _: &WireRequest, db: &mut dyn SqlConnection) -> plasma::Result<()> {
            db.execute("UPDATE _plasma_changes SET mark = 7", &[]).map(drop)
        }
    }
    finds(Markless, Faults { restore: 8, ..Faults::ALL }, &["I1", "I4", "I5", "I6", "I7", "I9", "I14"]);
}

/// The pages of a set without inner cuts are applied one by one.
#[test]
fn page_that_splits_a_mutation() {
    struct Whole;
    impl Tamper for Whole {
        fn response(&self, _: ServerId, request: &WireRequest, response: &mut WireResponse) {
            edit_page(request, response, |page| page.partial = false);
        }
    }
    finds(Whole, Faults::NONE, &["I7"]);
}
