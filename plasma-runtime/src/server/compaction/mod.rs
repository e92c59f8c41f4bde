//! Compaction of the change log: a bound rises over its past, and what lies below is folded or goes.
//!
//! Above the *bound* the log is complete. Below it, down to the *floor*, entries of tables that everybody may read are
//! folded: the newest entry of each row stays, so that a reader from there is told of every row that changed and of
//! every row that was deleted. Entries of all other tables go: visibility stands on every one of their images, and a
//! fold would strand rows on devices that may no longer read them. A reader from there has those tables stated anew.
//! Of an entry that goes, version and mark stay when a reader may stand there. Below the floor nothing is left, and a
//! reader from there is sent everything.
//!
//! The bound rises first, in a transaction of its own. Then entries go in small steps, each of which leaves the log
//! true: [`Horizon`] says, in the same transaction, from where on each table is complete.

mod horizon;
mod leases;
pub(super) mod log;
mod postgres;
mod sqlite;

use std::collections::BTreeSet;
use std::time::Duration;

pub(super) use horizon::Horizon;
pub(super) use leases::Leases;

use super::ServerEngine;
use crate::error::Result;
use crate::store::SqlExecutor;
use crate::value::Value;

const DAY_MS: i64 = 86_400_000;

/// How much of the past the change log keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactionOptions {
    /// Entries younger than this are kept as they are, ms. 7 days.
    pub keep_ms: i64,
    /// At most this many of the newest positions are kept as they are, whatever their age. 1,000,000.
    pub keep_entries: u64,
    /// At most this many folded entries are kept behind them, whatever their age. 1,000,000.
    pub keep_folded: u64,
    /// Deletes and other folded entries younger than this are kept, ms. A client that was away for longer is sent
    /// everything. 90 days.
    pub keep_deletes_ms: i64,
    /// The start of a snapshot that is being pulled in pages is never passed until so long after its last page, ms;
    /// 0: it may be, and the snapshot begins anew. 10 minutes.
    pub lease_ms: i64,
}

impl Default for CompactionOptions {
    fn default() -> Self {
        CompactionOptions {
            keep_ms: 7 * DAY_MS,
            keep_entries: 1_000_000,
            keep_folded: 1_000_000,
            keep_deletes_ms: 90 * DAY_MS,
            lease_ms: 600_000,
        }
    }
}

impl CompactionOptions {
    /// Entries younger than this are kept as they are, ms.
    #[must_use]
    pub fn keep_ms(mut self, ms: i64) -> Self {
        self.keep_ms = ms;
        self
    }

    /// At most this many of the newest positions are kept as they are, whatever their age.
    #[must_use]
    pub fn keep_entries(mut self, entries: u64) -> Self {
        self.keep_entries = entries;
        self
    }

    /// At most this many folded entries are kept behind them, whatever their age.
    #[must_use]
    pub fn keep_folded(mut self, entries: u64) -> Self {
        self.keep_folded = entries;
        self
    }

    /// Deletes and other folded entries younger than this are kept, ms.
    #[must_use]
    pub fn keep_deletes_ms(mut self, ms: i64) -> Self {
        self.keep_deletes_ms = ms;
        self
    }

    /// How long after its last page the start of a snapshot is not passed, ms.
    #[must_use]
    pub fn lease_ms(mut self, ms: i64) -> Self {
        self.lease_ms = ms;
        self
    }
}

/// What a compaction did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactionResult {
    /// Entries that were looked at.
    pub scanned: u64,
    /// Entries that went. Those of which version and mark stayed are not counted.
    pub removed: u64,
    /// Entries of which only version and mark stayed.
    pub marked: u64,
    /// The position above which the log is complete.
    pub bound: u64,
    /// The position below which nothing is left: a reader from there is sent everything.
    pub floor: u64,
    /// Tables that lost entries and are not folded: a reader from before has them stated anew, and with them the tables
    /// whose policies read them.
    pub restated_tables: BTreeSet<String>,
    /// Transactions it took.
    pub steps: u64,
    /// The longest of them: for so long no other write could begin on SQLite.
    pub longest_step: Duration,
}

/// A compaction under way.
#[derive(Debug, Clone)]
pub struct Compaction {
    options: CompactionOptions,
    begun: bool,
    pub(super) result: CompactionResult,
}

impl Compaction {
    /// One that has not begun.
    pub fn new(options: CompactionOptions) -> Self {
        Compaction { options, begun: false, result: CompactionResult::default() }
    }

    /// What it has done so far.
    pub fn result(&self) -> &CompactionResult {
        &self.result
    }

    /// Notes how long a step held the database.
    pub fn took(&mut self, time: Duration) {
        self.result.steps += 1;
        self.result.longest_step = self.result.longest_step.max(time);
    }
}

impl ServerEngine {
    /// The next step of a compaction, in one transaction of its own that looks at no more than `most` entries; false
    /// when it is done. The first step raises the bound and removes nothing.
    ///
    /// A step that fails has done nothing, and may be tried again; a compaction that is dropped in the middle is taken up
    /// by the next one.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the database fails.
    pub async fn compact_step(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        compaction: &mut Compaction,
        most: usize,
    ) -> Result<bool> {
        let before = compaction.clone();
        log::begin(db).await?;
        let done = self.step(db, now_ms, compaction, most.max(1)).await;
        let done = log::end(db, done).await;
        if done.is_err() {
            *compaction = before;
        }
        done
    }

    /// A whole compaction, step by step, with nobody else to wait for. Servers leave room between the steps:
    /// [`Server::compact_change_log`](super::Server::compact_change_log).
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the database fails.
    pub async fn compact_change_log(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        options: CompactionOptions,
    ) -> Result<CompactionResult> {
        let mut compaction = Compaction::new(options);
        while self.compact_step(db, now_ms, &mut compaction, 1_000).await? {
            compaction.result.steps += 1;
        }
        Ok(compaction.result)
    }

    async fn step(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        compaction: &mut Compaction,
        most: usize,
    ) -> Result<bool> {
        let mut horizon = Horizon::load(db).await?;
        let more = if compaction.begun {
            self.remove(db, compaction, &mut horizon, most).await?
        } else {
            self.raise(db, now_ms, &compaction.options, &mut horizon).await?;
            compaction.begun = true;
            true
        };
        horizon.save(db).await?;
        (compaction.result.bound, compaction.result.floor) = (horizon.bound, horizon.floor);
        Ok(more)
    }

    /// Raises bound and floor.
    async fn raise(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        options: &CompactionOptions,
        horizon: &mut Horizon,
    ) -> Result<()> {
        let head = super::pull::head(db).await?;
        let written_before = |ms: i64| now_ms.saturating_sub(ms);
        let old = log::newest_until(db, written_before(options.keep_ms), horizon.floor, head).await?;
        let mut bound = old.max(head.saturating_sub(options.keep_entries));
        // A snapshot that began since then is protected whoever serves it: its start was the head at that time.
        if options.lease_ms > 0 {
            bound = bound.min(log::newest_until(db, written_before(options.lease_ms), horizon.floor, head).await?);
            // One that began earlier, and is still being pulled, by what its server says.
            if let Some(leased) = self.leases.lowest(db, now_ms).await? {
                bound = bound.min(leased);
            }
        }
        // The bound has an entry: its mark tells whether a reader that stands there belongs to this history.
        bound = log::position_until(db, bound).await?.unwrap_or_default();
        horizon.bound = horizon.bound.max(bound);
        let floor = log::newest_until(db, written_before(options.keep_deletes_ms), horizon.floor, head).await?;
        horizon.raise_floor(floor.min(horizon.bound));
        Ok(())
    }

    async fn remove(
        &self,
        db: &mut dyn SqlExecutor,
        compaction: &mut Compaction,
        horizon: &mut Horizon,
        most: usize,
    ) -> Result<bool> {
        let result = &mut compaction.result;
        // What nobody will be served from any more: first of the part that was gone through, which is counted.
        let mut dropped = log::drop_below(db, horizon.floor.min(horizon.done + 1), most).await?;
        if !dropped.is_nothing() {
            horizon.folded = horizon.folded.saturating_sub(dropped.positions);
        } else if horizon.done + 1 < horizon.floor {
            dropped = log::drop_below(db, horizon.floor, most).await?;
            if dropped.is_nothing() {
                horizon.go_on(horizon.floor - 1);
            }
        }
        if !dropped.is_nothing() {
            result.scanned += dropped.entries;
            result.removed += dropped.entries;
            return Ok(true);
        }
        let from = log::Stands { done: horizon.done, within: horizon.within };
        let folded = log::fold(db, from, horizon.bound, &self.folded_tables(), most).await?;
        if let Some(log::Stands { done, within }) = folded.stands {
            result.scanned += folded.scanned;
            result.removed += folded.removed;
            result.marked += folded.marked;
            (horizon.done, horizon.within) = (done, within);
            horizon.folded = horizon.folded.saturating_add_signed(folded.more);
            for (table, version) in folded.lost {
                let newest_stays = self.is_folded(&table);
                if !newest_stays && self.definition.schema.synced().any(|synced| synced.name == table) {
                    result.restated_tables.insert(table.clone());
                }
                horizon.lose(table, version, newest_stays);
            }
            return Ok(true);
        }
        let excess = horizon.folded.saturating_sub(compaction.options.keep_folded);
        if excess > 0 {
            let excess = usize::try_from(excess).unwrap_or(usize::MAX).min(most);
            let floor = log::nth_from_below(db, excess).await?.unwrap_or(horizon.bound);
            horizon.raise_floor(floor.min(horizon.bound));
            // The entries go with the next step. If there are none after all, the count was wrong.
            if floor >= horizon.bound {
                horizon.folded = 0;
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether the entries of this table may be folded: everybody may read all its rows, as they are now.
    pub(super) fn is_folded(&self, table: &str) -> bool {
        let known = self.definition.schema.synced().find(|synced| synced.name == table);
        known.is_some_and(|table| table.open || self.definition.policy(table.name).is_none())
    }

    fn folded_tables(&self) -> Value {
        let names = self.definition.schema.synced().map(|table| table.name).filter(|name| self.is_folded(name));
        Value::Text(serde_json::json!(names.collect::<Vec<_>>()).to_string())
    }
}
