//! What a server does for itself, without anybody asking: clients expire, keys are forgotten, the log is compacted.
//!
//! A round of it is a row of small steps, each one transaction. The adapter runs them between the work of others, times
//! each, and hands the time to the [`Pace`], which says how large the next may be.

use std::time::Duration;

use super::compaction::{Compaction, CompactionOptions, CompactionResult};
use super::expiry::Expiry;
use super::{ServerEngine, ServerError, ServerErrorKind};
use crate::error::Result;
use crate::inputs::Entropy;
use crate::store::SqlExecutor;

/// A round of upkeep that is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintained {
    /// Clients that expired.
    pub clients_expired: u64,
    /// Outcomes of mutations that were forgotten, with their keys.
    pub outcomes_forgotten: u64,
    /// What became of the change log; none when its compaction is switched off.
    pub compaction: Option<CompactionResult>,
}

/// How many entries the next step may look at: so many that it is over soon.
#[derive(Debug, Clone)]
pub struct Pace {
    entries: usize,
}

impl Pace {
    /// A step is made smaller when one took longer than this. It may take twice as long before that is known.
    pub const LONG: Duration = Duration::from_millis(10);
    /// A step is made larger when one took less than this.
    const SHORT: Duration = Duration::from_millis(4);
    const FIRST: usize = 128;
    const LEAST: usize = 8;
    const MOST: usize = 4_096;

    /// Entries of the next step.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Takes in how long a step took.
    pub fn took(&mut self, time: Duration) {
        if time > Self::LONG {
            self.entries = (self.entries / 2).max(Self::LEAST);
        } else if time < Self::SHORT {
            self.entries = (self.entries + self.entries / 2).min(Self::MOST);
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Pace { entries: Self::FIRST }
    }
}

/// A round of upkeep under way.
#[derive(Debug)]
pub struct Upkeep {
    pace: Pace,
    /// None: done with.
    expiry: Option<Expiry>,
    compaction: Option<Compaction>,
    done: Maintained,
}

impl Upkeep {
    /// One compaction, and nothing else.
    pub fn compaction(options: CompactionOptions) -> Self {
        Upkeep {
            pace: Pace::default(),
            expiry: None,
            compaction: Some(Compaction::new(options)),
            done: Maintained::default(),
        }
    }

    /// What it has done so far.
    pub fn done(&self) -> Maintained {
        let mut done = self.done.clone();
        done.compaction = self.compaction.as_ref().map(|compaction| compaction.result().clone());
        done
    }
}

impl ServerEngine {
    /// A round of everything, by the server's options.
    pub fn upkeep(&self) -> Upkeep {
        Upkeep {
            pace: Pace::default(),
            expiry: Some(Expiry::default()),
            compaction: self.options().compaction.clone().map(Compaction::new),
            done: Maintained::default(),
        }
    }

    /// The next step of a round, in one transaction of its own; false when there is nothing left to do. The adapter tells
    /// how long it took by [`upkeep_took`](Self::upkeep_took).
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the database fails: the step has done nothing.
    pub async fn upkeep_step(&self, db: &mut dyn SqlExecutor, now_ms: i64, upkeep: &mut Upkeep) -> Result<bool> {
        let most = upkeep.pace.entries();
        if let Some(expiry) = &mut upkeep.expiry {
            let more = self.expire_step(db, now_ms, expiry, most).await?;
            upkeep.done.clients_expired = expiry.clients;
            upkeep.done.outcomes_forgotten = expiry.outcomes;
            if !more {
                upkeep.expiry = None;
            }
            return Ok(more || upkeep.compaction.is_some());
        }
        match &mut upkeep.compaction {
            Some(compaction) => self.compact_step(db, now_ms, compaction, most).await,
            None => Ok(false),
        }
    }

    /// Takes in how long the last step held the database.
    pub fn upkeep_took(&self, upkeep: &mut Upkeep, time: Duration) {
        upkeep.pace.took(time);
        if let (None, Some(compaction)) = (&upkeep.expiry, &mut upkeep.compaction) {
            compaction.took(time);
        }
    }

    /// Tells the other processes on the same database which positions pages are being pulled from here. Cheap; once a
    /// minute is often enough.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the database fails.
    pub async fn publish_leases(&self, db: &mut dyn SqlExecutor, now_ms: i64, entropy: &mut dyn Entropy) -> Result<()> {
        self.leases.publish(db, now_ms, entropy).await
    }

    /// Tells the application of a round that is over, or why it failed.
    pub(super) fn report_upkeep(&self, round: Result<Maintained>) {
        match round {
            Ok(done) => self.options().hooks.maintained(&done),
            Err(error) => self.options().hooks.report(&ServerError::new(ServerErrorKind::MaintenanceFailed, error)),
        }
    }
}
