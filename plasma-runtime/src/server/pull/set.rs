//! A set of pages: from what the reader holds to a cut, table by table, row by row.

use std::collections::BTreeMap;

use super::candidates::{self, Candidate};
use super::judge::{Difference, Verdict};
use super::log::Log;
use super::page::{Page, del};
use super::policy::{Policies, TablePolicy};
use super::source::Tables;
use super::walk::walk;
use crate::error::Result;
use crate::protocol::PatchOp;
use crate::protocol::cookie::Resume;
use crate::store::SqlExecutor;

/// Candidates judged together: their needs are read together.
const TOGETHER: usize = 512;

/// What the pages of a set lead from and to.
#[derive(Debug)]
pub(super) struct Set {
    /// What the reader holds; none: nothing that counts, everything is stated anew.
    pub(super) from: Option<Resume>,
    /// The position it leads to.
    pub(super) to: u64,
    /// The tables that are stated anew when `from` is some.
    pub(super) restated: Vec<String>,
    /// Where an earlier page stopped.
    pub(super) start: Option<Stop>,
}

/// Where a full page stopped.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    pub(super) table: String,
    /// The last row of the table that was sent; empty when only its `clear` was, none when nothing was.
    pub(super) after: Option<String>,
}

/// Fills pages of sets over one part of the log. What was read and judged is kept between attempts with different ends.
#[derive(Debug)]
pub(super) struct Sets<'a> {
    log: &'a Log,
    policies: &'a Policies,
    tables: Tables<'a>,
    candidates: BTreeMap<&'static str, Vec<Candidate>>,
}

impl<'a> Sets<'a> {
    pub(super) fn new(log: &'a Log, policies: &'a Policies) -> Self {
        Sets { log, policies, tables: Tables::new(log), candidates: BTreeMap::new() }
    }

    /// Fills the page. None: the set is complete.
    pub(super) async fn run(&mut self, db: &mut dyn SqlExecutor, set: &Set, page: &mut Page) -> Result<Option<Stop>> {
        if set.from.is_none() && set.start.is_none() && !page.push(PatchOp::Clear { table: None }) {
            return Ok(None);
        }
        for policy in &self.policies.tables {
            let name = policy.table.name;
            let start = set.start.as_ref().filter(|start| start.table.as_str() >= name);
            let mut after = match start {
                Some(start) if start.table == name => start.after.clone(),
                Some(_) => continue,
                None => None,
            };
            let complete = match set.from {
                Some(from) if !set.restated.iter().any(|table| table == name) => {
                    self.difference(db, policy, from, set.to, after.as_deref(), page).await?
                }
                from => {
                    if from.is_some() && after.is_none() {
                        if !page.push(PatchOp::Clear { table: Some(name.to_owned()) }) {
                            return Ok(Some(Stop { table: name.to_owned(), after }));
                        }
                        after = Some(String::new());
                    }
                    walk(db, self.log, &mut self.tables, policy, set.to, after.as_deref(), page).await?
                }
            };
            if !complete {
                let last = page.patch.last().and_then(|op| match op {
                    PatchOp::Put { table, id, .. } | PatchOp::Del { table, id } if table == name => Some(id.clone()),
                    _ => None,
                });
                return Ok(Some(Stop { table: name.to_owned(), after: last.or(after) }));
            }
        }
        Ok(None)
    }

    /// Puts the table's part of the difference into the page; false when it is full before the end.
    async fn difference(
        &mut self,
        db: &mut dyn SqlExecutor,
        policy: &TablePolicy,
        from: Resume,
        to: u64,
        after: Option<&str>,
        page: &mut Page,
    ) -> Result<bool> {
        let table = policy.table.name;
        let mut rows = match self.candidates.remove(table) {
            Some(rows) => rows,
            None => candidates::of(db, self.log, policy, from.seen).await?,
        };
        let first = after.map_or(0, |after| rows.partition_point(|row| row.id.as_str() <= after));
        let difference = Difference { log: self.log, policy, from, to };
        let mut complete = true;
        for chunk in rows[first..].chunks_mut(TOGETHER) {
            for (row, verdict) in self.judge(db, &difference, chunk).await? {
                let op = match verdict {
                    Verdict::Nothing => continue,
                    Verdict::Put(wire) => policy.put(row, wire)?,
                    Verdict::Del => del(table, row),
                };
                if !page.push(op) {
                    complete = false;
                    break;
                }
            }
            if !complete {
                break;
            }
        }
        self.candidates.insert(table, rows);
        Ok(complete)
    }

    async fn judge<'c>(
        &mut self,
        db: &mut dyn SqlExecutor,
        difference: &Difference<'_>,
        rows: &'c mut [Candidate],
    ) -> Result<Vec<(&'c str, Verdict)>> {
        let mut verdicts: Vec<Option<Verdict>> = rows.iter().map(|_| None).collect();
        loop {
            let mut missed = false;
            for (row, verdict) in rows.iter_mut().zip(&mut verdicts) {
                if verdict.is_none() {
                    *verdict = difference.judge(&mut self.tables, row)?;
                    missed |= verdict.is_none();
                }
            }
            if !missed {
                break;
            }
            self.tables.fetch(db).await?;
        }
        Ok(rows.iter().map(|row| row.id.as_str()).zip(verdicts.into_iter().flatten()).collect())
    }
}
