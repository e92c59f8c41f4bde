//! The order of commits when transactions overlap: the product's rule loses nothing, the others are found.

use plasma::sim::{CommitOrder, Faults, Rare, Settings, Sim, Tamper};

use super::lists;

/// Nothing goes wrong but that transactions overlap.
const FAULTS: Faults = Faults { overlap: 60, ..Faults::NONE };

struct In(CommitOrder);

impl Tamper for In {
    fn order(&self) -> CommitOrder {
        self.0
    }
}

fn sim(order: CommitOrder) -> Sim {
    Sim::new(lists())
        .seeds(0..400)
        .settings(Settings { settle_ms: 200_000, replay_checks: 0, clients: 3, ..Settings::default() })
        .faults(FAULTS)
        .tamper(In(order))
        .twice_every(0)
}

fn finds(order: CommitOrder, invariants: &[&str]) {
    let report = sim(order).stop_at_first_failure().run();
    let Some(failure) = report.failures.first() else { panic!("not found in {} seeds", report.seeds) };
    eprintln!("found after {} seeds: {}", report.seeds, failure.violation);
    assert!(invariants.contains(&failure.violation.invariant), "found by another invariant: {}", failure.violation);
}

#[test]
fn positions_after_the_commit_lose_nothing() {
    let faults = Faults { crash_server: 8, duplicate: 12, ..FAULTS };
    let report = sim(CommitOrder::Sequenced).seeds(0..80).faults(faults).run();
    report.assert_passed();
    report.assert_reached(&[Rare::OpenTransactions, Rare::OpenTransactionLost]);
}

/// A lower number commits after a higher one was served.
#[test]
fn a_cursor_on_numbers() {
    finds(CommitOrder::Numbers, &["I4", "I5", "I6", "I7", "I8", "I9", "I10"]);
}

/// A transaction that began first writes a row last.
#[test]
fn by_transaction_below_the_oldest_open_one() {
    finds(CommitOrder::Transactions, &["I5", "I7", "I8", "I9"]);
}

/// A commit between the page and its acknowledgements.
#[test]
fn acknowledgements_outside_of_the_cut() {
    finds(CommitOrder::AcknowledgedApart, &["I6"]);
}
