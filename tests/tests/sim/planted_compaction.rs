//! Planted bugs of compaction: each must be found, by the invariant it breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use plasma::sim::{Faults, Rare, Report, ServerId, Settings, Sim, Tamper, Workload};
use plasma_runtime::protocol::cookie::Position;
use plasma_runtime::protocol::{Method, PullResponse, WireRequest, WireResponse};
use plasma_runtime::store::SqlConnection;
use plasma_runtime::value::Kind;

use super::cards::OnCards;
use super::lists;

/// Much compaction, and clients that are away for a while.
pub(super) const FAULTS: Faults = Faults { compact: 12, offline: 8, ..Faults::NONE };

fn cards() -> Arc<dyn Workload> {
    Arc::new(OnCards)
}

pub(super) fn sim(workload: Arc<dyn Workload>, tamper: impl Tamper + 'static) -> Sim {
    // One thread: some of the sabotage remembers what it saw of the servers of one run.
    Sim::new(workload)
        .seeds(0..300)
        .settings(Settings { settle_ms: 200_000, replay_checks: 0, ..Settings::default() })
        .faults(FAULTS)
        .tamper(tamper)
        .twice_every(0)
        .threads(1)
}

/// Finds the bug within these seeds, by one of these invariants.
fn finds(workload: Arc<dyn Workload>, tamper: impl Tamper + 'static, invariants: &[&str]) {
    found(&sim(workload, tamper).stop_at_first_failure().run(), invariants);
}

/// The run failed, by one of these invariants.
pub(super) fn found(report: &Report, invariants: &[&str]) {
    let Some(failure) = report.failures.first() else { panic!("not found in {} seeds", report.seeds) };
    eprintln!("found after {} seeds: {}", report.seeds, failure.violation);
    assert!(invariants.contains(&failure.violation.invariant), "found by another invariant: {}", failure.violation);
}

/// Bound of compaction; 0 before the first.
fn bound(db: &mut dyn SqlConnection) -> plasma::Result<i64> {
    let sql = "SELECT CAST(value AS INTEGER) FROM _plasma_meta WHERE key = 'compaction_bound'";
    Ok(db.query(sql, &[], &[Kind::BigInt])?.first().and_then(|row| row[0].as_int()).unwrap_or_default())
}

/// The same sabotage without sabotage finds nothing, and compaction does happen.
#[test]
fn nothing_is_found_where_nothing_is_planted() {
    for workload in [lists(), cards()] {
        let report = sim(workload, plasma::sim::NoTamper).seeds(0..60).run();
        report.assert_passed();
        report.assert_reached(&[Rare::Compacted, Rare::Folded, Rare::PartialSet]);
    }
}

/// The put of a row and its delete cancel each other out: who had the row keeps it.
#[test]
fn put_and_delete_cancelled() {
    struct Cancel;
    impl Tamper for Cancel {
        fn compacted(&self, _: ServerId, db: &mut dyn SqlConnection) -> plasma::Result<()> {
            let bound = bound(db)?;
            // The put went with the fold, or goes here.
            db.execute(
                "DELETE FROM _plasma_changes WHERE row_version < ?1 AND table_name <> '' AND row_id IN \
                 (SELECT row_id FROM _plasma_changes WHERE op = 'del' AND row_version < ?1)",
                &[bound.into()],
            )
            .map(drop)
        }
    }
    // The marks of the entries go, too.
    finds(cards(), Cancel, &["I5", "I9", "I14"]);
}

/// A table with a policy is folded like an open one: nobody is told to state it anew.
#[test]
fn policy_table_folded() {
    struct Fold;
    impl Tamper for Fold {
        fn compacted(&self, _: ServerId, db: &mut dyn SqlConnection) -> plasma::Result<()> {
            db.execute(
                "UPDATE _plasma_meta SET value = json_set(value, '$.lost', json('{}'), '$.unfolded', json('{}')) WHERE key = 'compaction_state'",
                &[],
            )
            .map(drop)
        }
    }
    finds(lists(), Fold, &["I5", "I7", "I9", "I11"]);
}

/// Entries go, and the bound is not looked at: an old cookie is served from what is left.
#[test]
fn bound_ignored() {
    struct Ignore;
    impl Tamper for Ignore {
        fn compacted(&self, _: ServerId, db: &mut dyn SqlConnection) -> plasma::Result<()> {
            db.execute("DELETE FROM _plasma_meta WHERE key IN ('compaction_bound', 'compaction_state')", &[]).map(drop)
        }
    }
    finds(lists(), Ignore, &["I5", "I7", "I9", "I11", "I14", "application"]);
}

/// A difference that begins in the folded range is cut into pages that a client shows one by one.
#[test]
fn folded_range_served_page_by_page() {
    #[derive(Default)]
    struct Paged(AtomicI64);
    impl Tamper for Paged {
        fn server(&self, _: ServerId, _: &WireRequest, db: &mut dyn SqlConnection) -> plasma::Result<()> {
            self.0.store(bound(db)?, Ordering::Relaxed);
            Ok(())
        }
        fn response(&self, _: ServerId, request: &WireRequest, response: &mut WireResponse) {
            let cookie =
                request.query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == "cookie");
            let Some(asked) = cookie.and_then(|(_, cookie)| Position::decode(&cookie.replace("%3A", ":")).ok()) else {
                return;
            };
            let from = asked.walk.as_ref().and_then(|walk| walk.from).map_or(asked.at, |from| from.at);
            if request.method != Method::Get || (from as i64) >= self.0.load(Ordering::Relaxed) {
                return;
            }
            if let Ok(mut page) = serde_json::from_slice::<PullResponse>(&response.body) {
                page.partial = false;
                response.body = serde_json::to_vec(&page).expect("a page is JSON").into();
            }
        }
    }
    finds(cards(), Paged::default(), &["I6", "I7"]);
}

/// The delete of a row goes with the fold, before those who had the row have heard of it.
#[test]
fn tombstone_dropped_too_early() {
    struct Drop;
    impl Tamper for Drop {
        fn compacted(&self, _: ServerId, db: &mut dyn SqlConnection) -> plasma::Result<()> {
            let bound = bound(db)?;
            db.execute("DELETE FROM _plasma_changes WHERE row_version < ?1 AND op = 'del'", &[bound.into()]).map(drop)
        }
    }
    finds(cards(), Drop, &["I5", "I9", "I14"]);
}

/// An entry that goes takes its mark along: who stands there is taken for one of another history.
#[test]
fn mark_not_kept() {
    struct Forget;
    impl Tamper for Forget {
        fn compacted(&self, _: ServerId, db: &mut dyn SqlConnection) -> plasma::Result<()> {
            db.execute("DELETE FROM _plasma_changes WHERE op = 'mark'", &[]).map(drop)
        }
    }
    finds(cards(), Forget, &["I14"]);
}
