//! Counters, registers and sets under the simulator: clients that are offline for long, forks, expiries, servers that are
//! restored. What a note says is what its ledger says, on the server, in every base and in what every client shows:
//!
//! - a counter is the sum of the increments that took effect;
//! - a set has a value exactly when there is an addition of it that no removal's caller had seen;
//! - a register has the write with the greatest time, of equal ones that of the greatest replica.

mod model;
mod schema;

use std::sync::Arc;

use plasma::prelude::*;
use plasma::sim::{AuditTable, Call, Faults, Principal, Rng, Rows, Sim, Tamper, Workload};
use plasma_runtime::protocol::{Method, WireRequest};
use plasma_runtime::schema::Definition;
use plasma_runtime::store::SqlConnection;
use schema::{App, Caller, Note, Step};
use serde_json::json;

struct OnNotes;

const NOTES: usize = 2;
const TAGS: [&str; 3] = ["a", "b", "c"];

impl Workload for OnNotes {
    fn definition(&self) -> Definition {
        App::definition()
    }

    fn principal(&self, user: usize) -> Principal {
        Principal { group: format!("user{user}"), ctx: Arc::new(Caller) }
    }

    fn audit(&self) -> Option<AuditTable> {
        Some(AuditTable { table: Step::DEF })
    }

    fn seed(&self) -> Vec<String> {
        let register = r#"{"value":"new","ts":0,"replica":"0000000000000000"}"#;
        let note = |n| {
            format!(
                "INSERT INTO notes (id, likes, votes, status, tags) VALUES ('00000000-0000-4000-8000-00000000000{n}', \
                 '{{}}', '{{\"p\":{{}},\"n\":{{}}}}', '{register}', '{{\"adds\":[],\"dels\":[]}}')"
            )
        };
        (0..NOTES).map(note).collect()
    }

    fn next(&self, _: usize, rows: &mut Rows<'_>, rng: &mut Rng) -> plasma::Result<Option<Call>> {
        let notes = rows.all(Note::DEF)?;
        let Some(note) = rng.pick(&notes) else { return Ok(None) };
        let nonce = rng.uuid();
        let (step, id) = (nonce.to_string(), Note::DEF.row_id(note).to_owned());
        let tag = *rng.pick(&TAGS).expect("there are some");
        let (name, args) = match rng.below(10) {
            0..=2 => {
                let votes = i64::try_from(rng.below(7)).expect("small") - 3;
                let (likes, everywhere) = (rng.below(3), rng.chance(30));
                (
                    "notes.vote",
                    json!({ "step": step, "id": id, "likes": likes, "votes": votes, "everywhere": everywhere }),
                )
            }
            3 | 4 => {
                let seen_at = model::written_at(note);
                ("notes.write", json!({ "step": step, "id": id, "text": step, "seen_at": seen_at }))
            }
            5..=7 => ("notes.tag", json!({ "step": step, "id": id, "tag": tag })),
            _ => {
                let seen = model::additions(&rows.all(Step::DEF)?, &id, tag);
                ("notes.untag", json!({ "step": step, "id": id, "tag": tag, "seen": seen }))
            }
        };
        Ok(Some(Call { name: name.to_owned(), args: args.to_string(), audit: Some(nonce) }))
    }

    fn holds(&self, rows: &mut Rows<'_>) -> Result<(), String> {
        let mut read = |table| rows.all(table).map_err(|error| format!("cannot be read: {error}"));
        let (notes, steps) = (read(Note::DEF)?, read(Step::DEF)?);
        notes.iter().try_for_each(|note| model::check(note, &steps))
    }
}

fn notes() -> Sim {
    Sim::new(Arc::new(OnNotes) as Arc<dyn Workload>)
}

#[test]
fn a_note_says_what_its_ledger_says() {
    notes().seeds(0..150).clients(3).run().assert_passed();
}

/// Pushes are told of a clock that is days ahead.
struct LyingClocks;
impl Tamper for LyingClocks {
    fn request(&self, request: &mut WireRequest) {
        edit(request, |mutation| {
            let lies = mutation["id"].as_u64().is_some_and(|id| id % 3 == 0);
            if let (true, Some(timestamp)) = (lies, mutation["timestamp"].as_i64()) {
                mutation["timestamp"] = json!(timestamp + 864_000_000);
            }
        });
    }
}

#[test]
fn a_lying_clock_is_held_to_the_bound() {
    notes().seeds(0..80).clients(3).tamper(LyingClocks).run().assert_passed();
}

/// Changes each mutation of a push.
fn edit(request: &mut WireRequest, mut change: impl FnMut(&mut serde_json::Value)) {
    if request.method == Method::Post
        && let Ok(mut body) = serde_json::from_slice::<serde_json::Value>(&request.body)
    {
        body["mutations"].as_array_mut().into_iter().flatten().for_each(&mut change);
        request.body = body.to_string().into();
    }
}

fn finds(tamper: impl Tamper + 'static, word: &str) {
    // Few other faults: a copied store or a restored server is what makes clients issue their outbox again.
    let faults = Faults { copy: 8, restore: 8, clock: 0, disk_full: 0, freeze: 0, foreign_answer: 0, ..Faults::ALL };
    let report = notes().seeds(0..1_500).clients(3).faults(faults).tamper(tamper).twice_every(0);
    let report = report.stop_at_first_failure().run();
    let Some(failure) = report.failures.first() else { panic!("not found in {} seeds", report.seeds) };
    eprintln!("found after {} seeds: {}", report.seeds, failure.violation);
    assert!(failure.violation.message.contains(word), "found by another invariant: {}", failure.violation);
}

/// Nobody says what was seen: removals take what they find.
#[test]
fn a_push_without_observed() {
    struct Silent;
    impl Tamper for Silent {
        fn request(&self, request: &mut WireRequest) {
            edit(request, |mutation| drop(mutation.as_object_mut().expect("an object").remove("observed")));
        }
    }
    finds(Silent, "the tag ");
}

/// What was seen is lost with the outbox row's first client id.
#[test]
fn observations_that_a_rotation_drops() {
    struct Dropped;
    impl Tamper for Dropped {
        fn client(&self, store: &mut dyn SqlConnection) -> plasma::Result<()> {
            store.batch("UPDATE _plasma_outbox SET observed = NULL WHERE sent_at IS NOT NULL")
        }
    }
    finds(Dropped, "the tag ");
}

/// Observations that follow the replays: what came in between counts as seen.
#[test]
fn writes_that_claim_to_have_seen_the_future() {
    struct Seer;
    impl Tamper for Seer {
        fn request(&self, request: &mut WireRequest) {
            edit(request, |mutation| {
                for row in mutation["observed"]["notes"].as_object_mut().into_iter().flat_map(|rows| rows.values_mut())
                {
                    if let Some(seen) = row["status"][0].as_i64() {
                        row["status"][0] = json!(seen + 30_000);
                    }
                }
            });
        }
    }
    finds(Seer, "the register ");
}
