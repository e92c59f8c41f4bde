//! An exhaustive model of the protocol: push, pull, acknowledgement, fork, restore, revocation.
//!
//! The model is small enough to visit every state at its bounds (the tests print how many) and says nothing about SQL:
//! it checks the *rules* of the protocol. Each rule can be switched off or replaced by a wrong one ([`state::Bug`]),
//! and a test shows that the checker then finds a counterexample: a model that cannot fail proves nothing.
//!
//! Loss, duplication and reordering follow from how messages are kept: a push that was sent may be delivered at any
//! later time, any number of times, or never; an answer may be lost, and a client gives up waiting at any time. So "the
//! server crashes between its commit and its answer" is a delivery whose answer is never taken.
//! Two processes on one file are a page that is taken once more, later.

mod client;
mod server;
mod state;

use state::{Bounds, Bug, Protocol};
use stateright::{Checker, HasDiscoveries, Model};

/// No search may take longer: one that is cut off has visited a part of the states only, and proves nothing.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(600);

fn run(name: &str, bounds: Bounds, bug: Bug) -> impl Checker<Protocol> {
    let started = std::time::Instant::now();
    let check = Protocol { bounds, bug }
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .timeout(LIMIT)
        .spawn_bfs()
        .join();
    eprintln!(
        "model {name} ({bug:?}): {} states ({} unique), depth {}, {:?}",
        check.state_count(),
        check.unique_state_count(),
        check.max_depth(),
        started.elapsed()
    );
    assert!(started.elapsed() < LIMIT, "the search of {name} ({bug:?}) was cut off");
    check
}

/// All states at these bounds hold all properties, and every listed rare state was reached.
fn holds(name: &str, bounds: Bounds) {
    let check = run(name, bounds, Bug::None);
    for (property, path) in check.discoveries() {
        if check.discovery_classification(property).to_string() == "counterexample" {
            panic!("{name}: `{property}` fails after {:#?}", path.into_actions());
        }
    }
    check.assert_properties();
}

/// With this bug planted, the named property fails.
fn catches(bug: Bug, bounds: Bounds, properties: &[&str]) {
    let check = run("planted", bounds, bug);
    let found: Vec<_> = check
        .discoveries()
        .into_iter()
        .filter(|(property, _)| check.discovery_classification(property).to_string() == "counterexample")
        .map(|(property, path)| (property, path.into_actions()))
        .collect();
    assert!(!found.is_empty(), "{bug:?} was not caught");
    for (property, actions) in &found {
        eprintln!("{bug:?} caught by `{property}` after {actions:?}");
        assert!(properties.contains(property), "{bug:?} was caught by `{property}`, expected one of {properties:?}");
    }
}

/// Two clients, three mutations, one of them rejected and one that may be discarded; nothing worse than a bad network.
#[test]
fn a_bad_network() {
    holds("network", Bounds { mutations: [2, 1, 0], discards: 1, ..Bounds::default() });
}

/// A row's visibility is revoked and granted again while pages of one unit are pulled.
#[test]
fn revocation_between_pages() {
    holds("revocation", Bounds { mutations: [1, 1, 0], flips: 3, pages: true, ..Bounds::default() });
}

/// A store is copied and both copies go on.
#[test]
fn a_copied_store() {
    holds("fork", Bounds { mutations: [2, 1, 0], stores: 1, forks: 1, ..Bounds::default() });
}

/// Two processes share a store, and an answer comes late to one of them.
#[test]
fn a_page_taken_twice() {
    holds("pages twice", Bounds { mutations: [2, 0, 0], stores: 1, flips: 1, pages_twice: true, ..Bounds::default() });
}

/// The server is restored from an older backup.
#[test]
fn a_restored_server() {
    holds("restore, two stores", Bounds { mutations: [1, 1, 0], restores: 1, ..Bounds::default() });
    holds("restore, one store", Bounds { mutations: [2, 0, 0], stores: 1, restores: 1, ..Bounds::default() });
    if std::env::var_os("PLASMA_DEEP").is_some() {
        let quick = Bounds { slow: [false; 3], ..Bounds::default() };
        holds("restore, quick answers", Bounds { mutations: [2, 1, 0], restores: 1, ..quick });
        holds("restore, three mutations", Bounds { mutations: [3, 0, 0], stores: 1, restores: 1, ..Bounds::default() });
    }
}

/// The server is restored twice, so that what was acknowledged under a former client id is lost as well.
#[test]
fn a_server_restored_twice() {
    holds(
        "restore twice",
        Bounds { mutations: [2, 0, 0], restores: 2, stores: 1, slow: [false; 3], ..Bounds::default() },
    );
}

const NETWORK: Bounds = Bounds {
    mutations: [2, 1, 0],
    discards: 0,
    flips: 0,
    pages: false,
    forks: 0,
    restores: 0,
    stores: 2,
    slow: [true, false, true],
    pages_twice: false,
};

#[test]
fn catches_a_skipped_ledger_check() {
    catches(Bug::LedgerCheckSkipped, NETWORK, &["exactly once", "first in, first out"]);
}

#[test]
fn catches_an_accepted_gap() {
    catches(Bug::GapAccepted, Bounds { restores: 1, ..NETWORK }, &["heals"]);
}

#[test]
fn catches_an_acknowledgement_before_its_effect() {
    catches(Bug::AckBeforeEffect, Bounds { pages: true, ..NETWORK }, &["acknowledged with effect"]);
}

#[test]
fn catches_a_reissue_with_new_keys() {
    catches(
        Bug::ReissueWithNewKeys,
        Bounds { mutations: [2, 1, 0], stores: 1, forks: 1, ..NETWORK },
        &["exactly once"],
    );
}

#[test]
fn catches_a_push_that_ignores_keys_it_knows() {
    catches(Bug::KeysForgotten, Bounds { mutations: [2, 1, 0], stores: 1, forks: 1, ..NETWORK }, &["exactly once"]);
}

#[test]
fn catches_a_restored_server_that_is_not_noticed() {
    catches(Bug::MarksIgnored, Bounds { restores: 1, ..NETWORK }, &["heals", "acknowledged with effect"]);
}

#[test]
fn catches_a_fork_that_is_not_noticed() {
    catches(
        Bug::ForkIgnored,
        Bounds { mutations: [2, 1, 0], stores: 1, forks: 1, ..NETWORK },
        &["heals", "acknowledged with effect"],
    );
}

#[test]
fn catches_visibility_judged_at_the_position_alone() {
    catches(Bug::WasAtPositionOnly, Bounds { flips: 3, pages: true, ..NETWORK }, &["heals"]);
}

#[test]
fn catches_a_revocation_without_del() {
    catches(Bug::RevocationWithoutDel, Bounds { flips: 1, ..NETWORK }, &["nothing unreadable held", "heals"]);
}

#[test]
fn catches_a_stale_page_that_is_applied() {
    catches(
        Bug::StalePageApplied,
        Bounds { mutations: [2, 0, 0], stores: 1, pages_twice: true, ..NETWORK },
        &["never back in time", "heals", "acknowledged with effect"],
    );
}

/// Noticing lost history on a reset alone is not enough: when the restored server still has the client's position but
/// not what it acknowledged after that, no reset comes and the client would wait for the echo for ever. A pull that
/// reaches the head without an acknowledgement it was asked after shows the loss as well.
#[test]
fn catches_lost_history_looked_for_on_resets_alone() {
    catches(Bug::LostOnResetOnly, Bounds { restores: 1, ..NETWORK }, &["heals"]);
}

/// A reset shows what *former* client ids of the store lost, too.
#[test]
fn catches_former_client_ids_forgotten() {
    catches(
        Bug::FormerClientsForgotten,
        Bounds { mutations: [2, 0, 0], restores: 2, stores: 1, ..NETWORK },
        &["heals", "acknowledged with effect"],
    );
}
