//! The simulator over shared lists: the invariants of the whole system under faults, by seed.

mod cards;
mod crdts;
mod drift;
mod merge;
mod planted;
mod planted_compaction;
mod planted_order;
mod planted_servers;
mod releases;
pub(crate) mod schema;
mod workload;

use std::sync::Arc;

use plasma::sim::{Rare, Sim, Workload};
use workload::Lists;

fn lists() -> Arc<dyn Workload> {
    Arc::new(Lists)
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.trim().parse().unwrap_or_else(|_| panic!("{name} must be a number, not `{text}`")),
        Err(_) => default,
    }
}

/// `PLASMA_SIM_FIRST` and `PLASMA_SIM_COUNT` choose the range (`scripts/sim`), `PLASMA_SIM_SEED` one seed.
#[test]
fn seeds() {
    let first = number("PLASMA_SIM_FIRST", 0);
    let count = number("PLASMA_SIM_COUNT", if std::env::var_os("PLASMA_DEEP").is_some() { 200_000 } else { 2_000 });
    let started = std::time::Instant::now();
    let report = Sim::new(lists())
        .seeds(first..first + count)
        .clients(2)
        .regressions(concat!(env!("CARGO_MANIFEST_DIR"), "/regressions/seeds.txt"))
        .replay_with("cargo test -p plasma-tests --test all sim::seeds -- --nocapture")
        .run();
    let took = started.elapsed();
    eprintln!(
        "{} seeds in {took:?} ({:.0} a minute), {:.1} simulated hours, {} steps; reached {:?}",
        report.seeds,
        report.seeds as f64 / took.as_secs_f64() * 60.0,
        report.virtual_ms as f64 / 3_600_000.0,
        report.steps,
        report.reached
    );
    report.assert_passed();
    if report.seeds >= 500 {
        report.assert_reached(&[
            Rare::Gap,
            Rare::Fork,
            Rare::DuplicateWithWas,
            Rare::PartialSet,
            Rare::ConfirmPath,
            Rare::DisjointPath,
            Rare::FullPath,
            Rare::LostHistory,
            Rare::Rejected,
            Rare::Revoked,
            Rare::Reset,
            Rare::ClientCrashInStep,
            Rare::ServerCrashInStep,
            Rare::AnswerLostAfterCommit,
            Rare::EffectsCompared,
            Rare::Compacted,
            Rare::Folded,
            Rare::PokedAcross,
            Rare::PokeLost,
            Rare::OpenTransactions,
            Rare::OpenTransactionLost,
            Rare::ClockWentBack,
            Rare::DiskFull,
            Rare::Thawed,
            Rare::ForeignAnswer,
        ]);
    }
}
