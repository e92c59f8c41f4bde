//! Real processes over a network that fails: devices with stores of their own, servers over one database, and between
//! each device and the servers a proxy that loses, holds, cuts, repeats and invents.
//!
//! After the published work on PowerSync under Jepsen (`nurturenature/jepsen-powersync`): there 30-40 % of the runs with
//! partitions ended with queues that never moved again. Here, at most ten seconds after healing, every queue is empty,
//! all hold what the server holds, nothing that `mutate` returned for is lost, nothing happened twice.
//!
//! `PLASMA_DEEP=1` makes 300 runs of the ten (and is strict with the ten seconds: the machine should have little else to
//! do); `PLASMA_NETWORK_RUNS` names another number, `PLASMA_NETWORK_SEED` the first
//! seed, `PLASMA_NETWORK_AT_ONCE` how many run at a time.

mod app;
mod device;
mod portal;
mod proxy;
mod proxy_tests;
mod requests;
mod run;
mod schedule;
mod site;
mod view;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use self::run::{Failure, HEALS_WITHIN, HEALS_WITHIN_CROWDED, Plan, Success, run};
use self::schedule::Kind;
use crate::place::Place;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// The n-th run: each kind of fault in turn, on both databases.
fn plan(n: u64, first_seed: u64) -> Plan {
    let kinds = Kind::ALL.len() as u64;
    let place = if (n / kinds + n).is_multiple_of(2) { Place::Sqlite } else { Place::Postgres };
    Plan { place, kind: Kind::ALL[(n % kinds) as usize], seed: first_seed + n }
}

#[test]
fn every_queue_is_empty_soon_after_the_network_heals() {
    let deep = std::env::var_os("PLASMA_DEEP").is_some();
    let runs = number("PLASMA_NETWORK_RUNS").unwrap_or(if deep { 300 } else { 10 });
    let heals_within = if deep { HEALS_WITHIN } else { HEALS_WITHIN_CROWDED };
    let at_once = number("PLASMA_NETWORK_AT_ONCE").unwrap_or(3);
    let first_seed = number("PLASMA_NETWORK_SEED").unwrap_or(1);
    let next = AtomicU64::new(0);
    let results: Mutex<Vec<(Plan, Result<Success, Failure>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= runs {
                        break;
                    }
                    let plan = plan(n, first_seed);
                    let Some(result) = run(plan, heals_within) else { continue };
                    match &result {
                        Ok(success) => eprintln!("{plan}: {success:?}"),
                        Err(failure) => eprintln!("{}", failure.text),
                    }
                    results.lock().expect("nobody panics").push((plan, result));
                }
            });
        }
    });
    let results = results.into_inner().expect("nobody panics");
    eprintln!("{}", table(&results));
    let failed: Vec<&str> =
        results.iter().filter_map(|(_, result)| result.as_ref().err()).map(|failure| failure.text.as_str()).collect();
    assert!(failed.is_empty(), "{} of {} runs failed:\n{}", failed.len(), results.len(), failed.join("\n\n"));
    let idle: Vec<String> = results
        .iter()
        .filter(|(plan, result)| plan.kind.is_of_network() && result.as_ref().is_ok_and(|ok| ok.harm == 0))
        .map(|(plan, _)| plan.to_string())
        .collect();
    assert!(idle.is_empty(), "no proxy did any harm in {idle:?}");
}

/// Counts for each kind of fault.
fn table(results: &[(Plan, Result<Success, Failure>)]) -> String {
    let mut kinds: BTreeMap<Kind, Vec<&Result<Success, Failure>>> = BTreeMap::new();
    for (plan, result) in results {
        kinds.entry(plan.kind).or_default().push(result);
    }
    let mut text = String::from("kind        runs  transactions  requests lost  slowest to heal  failed");
    for (kind, results) in kinds {
        let good: Vec<&Success> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
        let mut wrong: BTreeMap<_, u64> = BTreeMap::new();
        for failure in results.iter().filter_map(|result| result.as_ref().err()) {
            *wrong.entry(failure.wrong).or_default() += 1;
        }
        let (runs, kind) = (results.len(), kind.to_string());
        let transactions: i64 = good.iter().map(|success| success.transactions).sum();
        let lost: u64 = good.iter().map(|success| success.notes).sum();
        let slowest = good.iter().map(|success| success.healed.as_millis()).max().unwrap_or(0);
        text.push_str(&format!("\n{kind:<11} {runs:>4} {transactions:>13} {lost:>14} {slowest:>13} ms  {wrong:?}"));
    }
    text
}

/// One run again: `PLASMA_NETWORK_RUN=sqlite-partition-17`.
#[test]
#[ignore = "repeats the run that is named"]
fn again() {
    let named = std::env::var("PLASMA_NETWORK_RUN").expect("PLASMA_NETWORK_RUN names a run");
    match run(named.parse().expect("a run"), HEALS_WITHIN).expect("the database is there") {
        Ok(success) => eprintln!("{named}: {success:?}"),
        Err(failure) => panic!("{}", failure.text),
    }
}
