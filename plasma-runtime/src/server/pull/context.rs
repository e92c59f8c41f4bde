//! One pull under way: everything anew, the next page of a set, or what came after a position.

use std::collections::BTreeMap;

use super::Pulled;
use super::log::{Head, Limit, Log, Part, Window};
use super::page::Page;
use super::policy::{Policies, TablePolicy};
use super::set::{Set, Sets, Stop};
use crate::error::{Error, Result};
use crate::protocol::PullRequest;
use crate::protocol::cookie::{Mark, Position, Resume, Seen, Walk};
use crate::schema::Lens;
use crate::server::compaction::Horizon;
use crate::server::{Caller, ServerEngine};
use crate::store::SqlExecutor;

/// The part of the log a difference may span. Beyond it stating everything anew is cheaper, and takes less memory.
const DIFFERENCE: Limit = Limit { entries: 50_000, bytes: 64 << 20 };

/// A reader that is farther behind than this, in positions, is served everything anew.
const FARTHEST: u64 = 250_000;

/// Entries that are read besides those that fill a page: a short page is better than a slow one, an empty one is not.
/// Tests have short logs.
const SLACK: usize = if cfg!(test) { 2 } else { 16 };

/// The part of the log since the start of a snapshot that is being walked. Beyond it the walk begins anew: every page of
/// it reads them.
const WALK: Limit = Limit { entries: 250_000, bytes: 256 << 20 };

/// The end of a set: a position and the mark of its entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) at: u64,
    pub(super) mark: Mark,
}

/// What is the same for every way to answer.
pub(super) struct Context<'a> {
    pub(super) engine: &'a ServerEngine,
    pub(super) caller: &'a Caller,
    pub(super) request: &'a PullRequest,
    pub(super) head: Head,
    pub(super) policies: &'a Policies,
    /// What the reader's version of the schema knows.
    pub(super) lens: &'a Lens,
    /// The tables of which it knows more than when its cookie was made.
    pub(super) unseen: Vec<String>,
    /// What is left of the log's past.
    pub(super) horizon: &'a Horizon,
    pub(super) now_ms: i64,
}

impl Context<'_> {
    pub(super) fn empty_page(&self) -> Page {
        let limits = &self.engine.limits;
        let asked = self.request.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let operations = asked.unwrap_or(limits.page_operations).min(limits.max_page_operations);
        // Room for the members besides the patch.
        Page::new(operations, limits.page_bytes - limits.page_bytes / 64)
    }

    pub(super) fn head_cut(&self) -> Cut {
        Cut { at: self.head.version, mark: self.head.mark }
    }

    pub(super) fn seen(&self) -> Seen {
        Seen { first: self.head.version, last: self.head.version, mark: self.head.mark }
    }

    /// Everything anew: `clear`, then all tables as of the head.
    pub(super) async fn reset(&self, db: &mut dyn SqlExecutor) -> Result<Pulled> {
        let log = Log::at_head(db, &self.engine.definition.schema, self.head).await?;
        let set = Set { from: None, to: self.head.version, restated: Vec::new(), start: None };
        let mut page = self.empty_page();
        let stop = Sets::new(&log, self.policies).run(db, &set, &mut page).await?;
        let digests = self.policies.digests.clone();
        let answer = self.answer(db, &set, self.head_cut(), self.seen(), digests, page, stop).await?;
        answer.ok_or_else(|| Error::internal("the cookie of a snapshot is longer than a cookie may be"))
    }

    /// The next page of an unfinished set. None: the set cannot go on.
    pub(super) async fn go_on(
        &self,
        db: &mut dyn SqlExecutor,
        walk: Walk,
        cut: Cut,
        seen: Seen,
        digests: BTreeMap<String, String>,
    ) -> Result<Option<Pulled>> {
        let after = walk.from.map_or(cut.at, |from| from.at);
        // Compaction passed the start of the set, and a table that was not stated anew lost entries.
        if walk.from.is_some() && self.lacking(after).any(|table| !walk.restated.iter().any(|known| known == table)) {
            return Ok(None);
        }
        let limit = if walk.from.is_some() { DIFFERENCE } else { WALK };
        let Some(log) =
            Log::load(db, &self.engine.definition.schema, after, self.horizon.bound, self.head, limit).await?
        else {
            return Ok(None);
        };
        let start = Some(Stop { table: walk.table, after: walk.after });
        let set = Set { from: walk.from, to: cut.at, restated: walk.restated, start };
        let mut page = self.empty_page();
        let stop = Sets::new(&log, self.policies).run(db, &set, &mut page).await?;
        let digests = self.policies.void_changed(digests);
        let seen = seen.and(self.head.version, self.head.mark);
        self.answer(db, &set, cut, seen, digests, page, stop).await
    }

    /// The page after a finished one. None: a snapshot is cheaper.
    pub(super) async fn next(&self, db: &mut dyn SqlExecutor, position: Position) -> Result<Option<Pulled>> {
        // Folded entries have no cuts between them: a difference that begins among them is one set, to the head.
        let folded = position.at < self.horizon.bound;
        let from = Resume { at: position.at, mark: position.mark, seen: position.seen };
        let mut restated = self.policies.changed(&position.policies);
        restated.extend(self.unseen.iter().cloned());
        restated.extend(self.lacking(position.at).map(str::to_owned));
        restated.sort_unstable();
        restated.dedup();
        let part = if folded || !restated.is_empty() { Part::Other } else { self.beginning(db, position.at).await? };
        let (log, more) = match part {
            Part::Whole(log) => (log, false),
            Part::Beginning(log) => (log, true),
            Part::Other => {
                let schema = &self.engine.definition.schema;
                match Log::load(db, schema, position.at, self.horizon.bound, self.head, DIFFERENCE).await? {
                    Some(log) => (log, false),
                    None => return Ok(None),
                }
            }
        };
        let mut sets = Sets::new(&log, self.policies);
        let mut set = Set { from: Some(from), to: self.head.version, restated, start: None };
        let mut page = self.empty_page();
        let units = log.boundaries.len();
        let (cut, page, stop) = if more {
            // No number of them is known to be too many.
            self.earlier(db, &log, &mut sets, &mut set, units + 1).await?
        } else {
            match sets.run(db, &set, &mut page).await? {
                // It does not fit: end at the boundary of an earlier unit.
                Some(_) if set.restated.is_empty() && !folded => {
                    self.earlier(db, &log, &mut sets, &mut set, units).await?
                }
                stop => (self.head_cut(), page, stop),
            }
        };
        let digests = self.policies.digests.clone();
        let mut seen = self.seen();
        if more {
            // Rows that changed behind the page only were not looked at: the reader has them as of its end.
            seen.first = cut.at;
        }
        self.answer(db, &set, cut, seen, digests, page, stop).await
    }

    /// As much of the log after a position as fills a page.
    async fn beginning(&self, db: &mut dyn SqlExecutor, after: u64) -> Result<Part> {
        if self.head.version.saturating_sub(after) > FARTHEST {
            return Ok(Part::Other);
        }
        let page = self.empty_page();
        // A little more than fits, as not every entry is sent. An entry has up to two images, and one of them is.
        let entries = page.room() + page.room() / 8 + SLACK;
        let window = Window { entries, bytes: page.bytes_left().saturating_mul(2) };
        let rules = self.policies.tables.iter().filter_map(|policy| policy.rule.as_ref());
        let rules = rules.flat_map(|rule| rule.analysis.deps.iter().copied()).collect();
        Log::beginning(db, self.engine, after, self.head, window, &rules).await
    }

    /// The tables whose difference from this position cannot be told any more: entries of theirs went, or of tables their
    /// rules read. Without a rule the newest entry of each row is enough, and is there unless nobody folded them.
    pub(super) fn lacking(&self, after: u64) -> impl Iterator<Item = &'static str> {
        let lacks = move |table: &str| self.horizon.lacks(table, after);
        let lacking = move |policy: &&TablePolicy| match &policy.rule {
            Some(rule) => lacks(policy.table.name) || rule.analysis.deps.iter().any(|dep| lacks(dep)),
            None => self.horizon.forgot(policy.table.name, after),
        };
        self.policies.tables.iter().filter(lacking).map(|policy| policy.table.name)
    }
}
