//! Who may see what: whether the reader holds a row, and whether it is to hold it.
//!
//! What a reader holds is H(P, A): the rows as of position P that its policy showed at P and, with all tables as of A
//! (the head its last page was made at), still shows. The next page leads to H(Q, now).

use super::candidates::{Candidate, Was};
use super::log::{Image, Log};
use super::policy::TablePolicy;
use super::source::{Moment, Tables};
use crate::error::Result;
use crate::protocol::cookie::Resume;
use crate::value::{Row, json};

/// What is to be sent for one candidate.
#[derive(Debug)]
pub(super) enum Verdict {
    Nothing,
    /// The row in wire form.
    Put(String),
    Del,
}

/// The difference from `from` to `to` for one table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Difference<'a> {
    pub(super) log: &'a Log,
    pub(super) policy: &'a TablePolicy,
    pub(super) from: Resume,
    pub(super) to: u64,
}

impl Difference<'_> {
    /// What is to be sent for a candidate. None: rows are missing, fetch them and ask again.
    pub(super) fn judge(&self, tables: &mut Tables<'_>, candidate: &mut Candidate) -> Result<Option<Verdict>> {
        let entries = self.log.entries_for(self.policy.table.name, &candidate.id);
        let new = self.log.image(entries, self.to);
        if self.policy.rule.is_none() && self.log.is_folded(entries) {
            // Everybody may read it, and nobody knows whether the reader has it, or which of its images.
            return self.put_or_del(candidate, new).map(Some);
        }
        let Some(is) = self.is(tables, candidate, entries, new)? else { return Ok(None) };
        if is && self.changed(entries, new)? {
            return self.put(candidate, new).map(Some);
        }
        let Some(was) = self.was(tables, candidate, entries)? else { return Ok(None) };
        match is {
            true if !was.surely => self.put(candidate, new).map(Some),
            false if was.maybe => Ok(Some(Verdict::Del)),
            _ => Ok(Some(Verdict::Nothing)),
        }
    }

    fn put_or_del(&self, candidate: &Candidate, new: Option<Image<'_>>) -> Result<Verdict> {
        if new.is_some() { self.put(candidate, new) } else { Ok(Verdict::Del) }
    }

    fn put(&self, candidate: &Candidate, new: Option<Image<'_>>) -> Result<Verdict> {
        let table = self.policy.table;
        Ok(match (new, &candidate.row) {
            (Some(image), _) => Verdict::Put(json::log_to_wire(table, image.json())?.into_owned()),
            (None, Some(row)) => Verdict::Put(json::encode_row(table, row)),
            (None, None) => Verdict::Nothing,
        })
    }

    /// Whether the row is another one at the end than it was at the beginning. Images of one row are written by one
    /// expression, so equal rows are equal texts.
    fn changed(&self, entries: &[usize], new: Option<Image<'_>>) -> Result<bool> {
        let old = self.log.image(entries, self.from.at);
        if entries.is_empty() || old.map(Image::json) == new.map(Image::json) {
            return Ok(false);
        }
        let view = &self.policy.view;
        Ok(match (old, new) {
            // It may have changed in columns only that the caller does not know.
            (Some(old), Some(new)) if view.is_narrow() => view.project(old.json())? != view.project(new.json())?,
            _ => true,
        })
    }

    /// Visible as of `to`, and readable now.
    fn is(
        &self,
        tables: &mut Tables<'_>,
        candidate: &mut Candidate,
        entries: &[usize],
        new: Option<Image<'_>>,
    ) -> Result<Option<bool>> {
        let Some(row) = row(candidate, new)? else { return Ok(Some(false)) };
        let Some(visible) = self.visible(tables, row, self.to)? else { return Ok(None) };
        if !visible || self.to == self.log.head.version {
            return Ok(Some(visible));
        }
        if candidate.readable_now.is_none() {
            candidate.readable_now = self.readable(tables, candidate, entries, self.log.head.version)?;
        }
        Ok(candidate.readable_now)
    }

    /// Visible as of the old position, and readable as of the heads the reader's last set was made at.
    fn was(&self, tables: &mut Tables<'_>, candidate: &mut Candidate, entries: &[usize]) -> Result<Option<Was>> {
        if candidate.was.is_none() {
            let never = Was { maybe: false, surely: false };
            let old = self.log.image(entries, self.from.at);
            let Some(row) = row(candidate, old)? else {
                candidate.was = Some(never);
                return Ok(candidate.was);
            };
            let Some(visible) = self.visible(tables, row, self.from.at)? else { return Ok(None) };
            let seen = self.from.seen;
            candidate.was = Some(if !visible {
                never
            } else {
                let mut readable = true;
                for head in [seen.first, seen.last] {
                    if readable && head > self.from.at {
                        let Some(at_head) = self.readable(tables, candidate, entries, head)? else { return Ok(None) };
                        readable = at_head;
                    }
                }
                if seen.first == seen.last {
                    Was { maybe: readable, surely: readable }
                } else {
                    // Nobody knows which of the pages brought it, or would have.
                    Was { maybe: true, surely: readable && !candidate.unsure }
                }
            });
        }
        Ok(candidate.was)
    }

    fn visible(&self, tables: &mut Tables<'_>, row: &Row, at: u64) -> Result<Option<bool>> {
        match &self.policy.rule {
            None => Ok(Some(true)),
            Some(rule) => tables.holds(&rule.memory, self.policy.table, row, Moment { at, with_deleted_by: None }),
        }
    }

    fn readable(
        &self,
        tables: &mut Tables<'_>,
        candidate: &Candidate,
        entries: &[usize],
        at: u64,
    ) -> Result<Option<bool>> {
        match &candidate.row {
            Some(row) => self.visible(tables, row, at),
            None => readable(self.log, tables, self.policy, entries, at),
        }
    }
}

/// The row of a candidate: its image in the log, or the current row of one that is not in the log.
fn row<'c>(candidate: &'c Candidate, image: Option<Image<'c>>) -> Result<Option<&'c Row>> {
    match (&candidate.row, image) {
        (Some(row), _) => Ok(Some(row)),
        (None, Some(image)) => image.row().map(Some),
        (None, None) => Ok(None),
    }
}

/// Whether a row of the log is readable as of `at`. One that was deleted counts as readable if its last image is, by the
/// tables of then plus their rows deleted by that same unit: only a revocation may run ahead of the cut.
pub(super) fn readable(
    log: &Log,
    tables: &mut Tables<'_>,
    policy: &TablePolicy,
    entries: &[usize],
    at: u64,
) -> Result<Option<bool>> {
    let Some(rule) = &policy.rule else { return Ok(Some(true)) };
    let (image, with_deleted_by) = match log.image(entries, at) {
        Some(image) => (image, None),
        None => match log.last_image(entries, at) {
            Some((image, unit)) => (image, Some(unit)),
            None => return Ok(Some(false)),
        },
    };
    tables.holds(&rule.memory, policy.table, image.row()?, Moment { at, with_deleted_by })
}
