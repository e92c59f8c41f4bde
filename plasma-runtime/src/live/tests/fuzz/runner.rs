//! Many cases.
//!
//! The numbers that everything is made of come from a seed, `PLASMA_SEED`, or a fixed one; `PLASMA_DEEP=1` asks for
//! 200,000 pairs of query and steps over all lanes, from a seed of the moment, `PLASMA_PAIRS` for another number of each
//! lane. A failing case is shrunk, printed with its seed and kept in `proptest-regressions`, which is run first.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::case::{Case, run};
use super::coverage::Tally;
use super::shapes::Lane;
use super::steps::Bug;

/// Pairs of a lane in every run, and in a deep one.
const USUAL: u64 = 550;
const DEEP: u64 = 50_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The numbers of a case: rows, queries, steps.
pub(super) type Numbers = (Vec<u16>, Vec<Vec<u16>>, Vec<Vec<u16>>);

pub(super) fn numbers() -> impl Strategy<Value = Numbers> {
    let list = |length| prop::collection::vec(any::<u16>(), length / 2..length);
    (list(500), prop::collection::vec(list(240), 1..=3), prop::collection::vec(list(160), 1..=9))
}

pub(super) fn rng(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// Compares as many pairs of a lane as asked for. So many percent of them have these features.
#[allow(clippy::print_stdout, reason = "what was covered is part of the result")]
fn compare(lane: Lane, features: &[(&str, usize)]) {
    let is_deep = std::env::var_os("PLASMA_DEEP").is_some();
    let now = || std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
    let seed = number("PLASMA_SEED").unwrap_or_else(|| if is_deep { now() } else { 1 });
    let pairs = number("PLASMA_PAIRS").unwrap_or(if is_deep { DEEP } else { USUAL });
    let config = ProptestConfig {
        // Two or three queries a case.
        cases: (pairs * 9).div_ceil(20) as u32,
        max_shrink_iters: 20_000,
        max_shrink_time: 60_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::default())),
        source_file: Some(file!()),
        test_name: Some("live_queries_answer_as_sqlite_does"),
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng(seed));
    let tally = RefCell::new(Tally::default());
    let result = runner.run(&numbers(), |(rows, queries, steps)| {
        let case = Case { lane, rows: &rows, queries: &queries, steps: &steps };
        run(case, &Bug::NONE, &mut tally.borrow_mut()).map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(difference, _)) => panic!("{lane:?}, seed {seed}: {difference}"),
        Err(TestError::Abort(reason)) => panic!("{lane:?}, seed {seed}: {reason}"),
    }
    let tally = tally.into_inner();
    println!("{lane:?}, seed {seed}: {tally}");
    assert!(tally.pairs as u64 >= pairs, "fewer pairs than asked for: {tally}");
    if pairs >= USUAL {
        tally.assert_rich(features, if lane == Lane::Anything { 30 } else { 45 });
    }
}

#[test]
fn windows_stay_right() {
    let features = [
        ("incremental", 90),
        ("limit", 60),
        ("order", 50),
        ("window with offset", 15),
        ("nested", 12),
        ("nested in nested", 4),
        ("window of nested rows", 10),
        ("count of rows", 5),
        ("inner join", 5),
        ("left join", 5),
    ];
    compare(Lane::Windows, &features);
}

#[test]
fn joins_stay_right() {
    let features = [
        ("incremental", 90),
        ("inner join", 50),
        ("left join", 50),
        ("two joins", 30),
        ("same table twice", 30),
        ("correlated", 20),
        ("exists", 15),
        ("not exists", 5),
        ("in query", 3),
        ("scalar", 5),
        ("window over a join", 15),
        ("nested", 12),
        ("group over a join", 5),
    ];
    compare(Lane::Joins, &features);
}

#[test]
fn groups_stay_right() {
    let features = [
        ("incremental", 90),
        ("group", 40),
        ("one group", 8),
        ("group over a join", 15),
        ("having", 10),
        ("distinct", 20),
        ("derived table", 15),
        ("count", 15),
        ("count distinct", 6),
        ("sum", 10),
        ("avg", 5),
        ("min", 15),
        ("max", 10),
    ];
    compare(Lane::Groups, &features);
}

#[test]
fn any_query_stays_right() {
    compare(
        Lane::Anything,
        &[("incremental", 60), ("inner join", 50), ("exists", 25), ("scalar", 15), ("in query", 12), ("group", 40)],
    );
}
