//! What a range of seeds came to.

use std::collections::BTreeMap;
use std::fmt;

use super::shrink::Shrunk;

/// Rare states a good range of seeds must have reached: what is never reached is not tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rare {
    /// The server met a gap in the ids.
    Gap,
    /// A copied store was noticed.
    Fork,
    /// A mutation arrived again and was told how it had ended.
    DuplicateWithWas,
    /// A set of pages without inner cuts.
    PartialSet,
    /// A pull confirmed pending mutations without a replay.
    ConfirmPath,
    /// A pull met nothing pending and was applied without a replay.
    DisjointPath,
    /// A pull undid and replayed what was pending.
    FullPath,
    /// A client reported mutations as lost by a restored server.
    LostHistory,
    /// The server rejected a mutation.
    Rejected,
    /// A row left a client's view without being deleted.
    Revoked,
    /// A client's store died in the middle of a step.
    ClientCrashInStep,
    /// The server died in the middle of a push.
    ServerCrashInStep,
    /// The server died between its commit and its answer.
    AnswerLostAfterCommit,
    /// A reset: the client's rows were cleared and sent anew.
    Reset,
    /// Compaction removed entries of the server's log.
    Compacted,
    /// A client came from below the bound of compaction, and was told what is new without being sent everything.
    Folded,
    /// A canonical run had read what the optimistic one had: their writes were compared.
    EffectsCompared,
    /// A client was told of a commit of another server by a poke.
    PokedAcross,
    /// A poke from one server to another was lost.
    PokeLost,
    /// Several transactions were open at once.
    OpenTransactions,
    /// A server died with an open transaction.
    OpenTransactionLost,
    /// A server came with a later version, and made the database fit.
    Migrated,
    /// A server died while it migrated the database.
    CrashInMigration,
    /// Servers of two versions served one database.
    ServersOfTwoVersions,
    /// Servers of two versions served clients of three.
    RollingUpgrade,
    /// A server was started whose version no longer fits the database.
    ServerTooOld,
    /// A client was updated, with what its store held.
    ClientUpdated,
    /// A pull of a client of an earlier version was answered.
    ServedThroughLens,
    /// The clock of a client's device went back by more than any wait.
    ClockWentBack,
    /// A client's store refused a write for want of space.
    DiskFull,
    /// A process that was frozen took what had come meanwhile.
    Thawed,
    /// A client was given an answer that was not the server's.
    ForeignAnswer,
}

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// `I1` .. `I23`, or `application` for a rule of the workload's own engines.
    pub invariant: &'static str,
    /// What is wrong.
    pub message: String,
}

impl Violation {
    pub(super) fn new(invariant: &'static str, message: impl Into<String>) -> Self {
        Violation { invariant, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.message)
    }
}

/// A seed that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The invariant and what is wrong.
    pub violation: Violation,
    /// The run, line by line; empty unless traces were kept.
    pub trace: Vec<String>,
    /// The command that runs this seed alone.
    pub replay: String,
    /// A shorter schedule of the seed that breaks the same invariant; the first failure of a report has one when one
    /// was found.
    pub shrunk: Option<Shrunk>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        write!(f, "{} (seed {})\nreplay with: {}", self.violation, self.seed, self.replay)?;
        match &self.shrunk {
            Some(shrunk) => write!(f, "\n{shrunk}"),
            None => Ok(()),
        }
    }
}

/// What a range of seeds came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Seeds that were run.
    pub seeds: u64,
    /// Steps taken in all of them.
    pub steps: u64,
    /// The virtual time that passed in all of them, ms.
    pub virtual_ms: u64,
    /// The seeds that failed.
    pub failures: Vec<Failure>,
    /// How many seeds reached each rare state.
    pub reached: BTreeMap<Rare, u64>,
    /// The trace of a single seed.
    pub trace: Vec<String>,
    /// The hash of each run's trace, in order of the seeds.
    pub hashes: Vec<u64>,
}

impl Report {
    /// How many seeds reached this state.
    pub fn reached(&self, rare: Rare) -> u64 {
        self.reached.get(&rare).copied().unwrap_or_default()
    }

    /// The run is over and nothing failed.
    ///
    /// # Panics
    /// With the first failures.
    pub fn assert_passed(&self) {
        assert!(self.seeds > 0, "no seed was run");
        if let Some(first) = self.failures.first() {
            let others: Vec<_> = self.failures.iter().skip(1).take(20).map(|failure| failure.seed).collect();
            panic!("{} of {} seeds failed. {first}\nother failing seeds: {others:?}", self.failures.len(), self.seeds);
        }
    }

    /// Every one of these states was reached at least once.
    ///
    /// # Panics
    /// With those that were not.
    pub fn assert_reached(&self, states: &[Rare]) {
        let missing: Vec<_> = states.iter().filter(|rare| self.reached(**rare) == 0).collect();
        assert!(missing.is_empty(), "never reached in {} seeds: {missing:?} (reached: {:?})", self.seeds, self.reached);
    }
}
