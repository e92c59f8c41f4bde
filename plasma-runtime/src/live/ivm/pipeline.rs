//! One query, kept up to date: the stages its rows pass.
//!
//! A transaction is handed over in two steps: [`offer`](Pipeline::offer) gives every table of the query, wherever it stands,
//! its changes; [`advance`](Pipeline::advance) lets them pass the stages, inner queries before the outer ones, and says what
//! changed of the result. To begin with, the stages are empty and the rows come all at once: [`loads`](Pipeline::loads) are
//! the queries to be asked, [`fill`](Pipeline::fill) takes the answers. No stage reads a store.

use super::attach::Attach;
use super::bound::{self, Bound, satisfies};
use super::group::Grouping;
use super::join::Join;
use super::key::{Flow, Key, SharedRow};
use super::nested::Related;
use super::source::{Rows, Source};
use super::tail::{Flushed, Selected, Tail};
use crate::error::{Error, Result};
use crate::live::change::RowChange;
use crate::live::delta::{Added, Changed, Delta, Removed};
use crate::query::ir::Query;
use crate::value::{Row, Value};

/// The answers to the queries of [`Pipeline::loads`], in their order.
#[derive(Debug)]
pub(crate) struct Loads(std::vec::IntoIter<Vec<Row>>);

impl Loads {
    pub(crate) fn new(answers: Vec<Vec<Row>>) -> Self {
        Loads(answers.into_iter())
    }

    pub(super) fn next(&mut self) -> Result<Vec<Row>> {
        self.0.next().ok_or_else(|| Error::internal("a live query was not given all its rows"))
    }
}

/// What a step brought.
#[derive(Debug)]
pub(crate) enum Ready {
    /// What changed, for each part of the result.
    Changes(Vec<(Key, Delta<SharedRow>)>),
    /// The rows behind the window are to be read: [`Pipeline::loads`] and [`Pipeline::fill`], then
    /// [`Pipeline::advance`] again.
    Refill,
}

/// A query's stages.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(super) sources: Vec<Source>,
    /// One for each source but the first.
    pub(super) joins: Vec<Join>,
    pub(super) filter: Vec<Bound>,
    pub(super) attach: Option<Attach>,
    /// What is asked of rows with the values of sub-queries.
    pub(super) late_filter: Vec<Bound>,
    /// What the rows must equal of the rows of the query around it: the key of their part.
    pub(super) part: Vec<Bound>,
    pub(super) group: Option<Grouping>,
    pub(super) attach_to_groups: Option<Attach>,
    pub(super) having: Vec<Bound>,
    pub(super) tail: Tail,
    pub(super) related: Option<Related>,
    /// Asks for the rows of a list that is cut.
    pub(super) refill: Option<Query>,
}

impl Pipeline {
    /// Gives the tables their changes.
    pub(crate) fn offer(&mut self, changes: &[&RowChange]) -> Result<()> {
        let tail = &self.tail;
        let reaches = |row: &[Value]| tail.reaches(row);
        for source in &mut self.sources {
            source.offer(changes, &reaches)?;
        }
        for attach in self.attach.iter_mut().chain(&mut self.attach_to_groups) {
            attach.offer(changes)?;
        }
        for related in self.related.iter_mut().flat_map(|related| &mut related.queries) {
            related.offer(changes)?;
        }
        Ok(())
    }

    /// What is to be read to begin with.
    pub(crate) fn loads(&self, loads: &mut Vec<Query>) {
        match &self.refill {
            Some(refill) => loads.push(refill.clone()),
            None => self.sources.iter().for_each(|source| source.loads(loads)),
        }
        for attach in self.attach.iter().chain(&self.attach_to_groups) {
            attach.loads(loads);
        }
        for related in self.related.iter().flat_map(|related| &related.queries) {
            related.loads(loads);
        }
    }

    /// Takes what was read to begin with.
    pub(crate) fn fill(&mut self, loads: &mut Loads) -> Result<()> {
        match &self.refill {
            Some(_) => self.refill(loads)?,
            None => self.sources.iter_mut().try_for_each(|source| source.fill(loads))?,
        }
        for attach in self.attach.iter_mut().chain(&mut self.attach_to_groups) {
            attach.fill(loads)?;
        }
        for related in self.related.iter_mut().flat_map(|related| &mut related.queries) {
            related.fill(loads)?;
        }
        Ok(())
    }

    /// Asks for the rows of the window and those behind it.
    pub(crate) fn refill_query(&self) -> Option<&Query> {
        self.refill.as_ref()
    }

    /// Takes the rows of the window and those behind it.
    pub(crate) fn refill(&mut self, loads: &mut Loads) -> Result<()> {
        let Some(Source { rows: Rows::Table(table), .. }) = self.sources.first() else {
            return Err(Error::internal("only the list of a table is cut"));
        };
        let rows = loads.next()?;
        let complete = rows.len() < self.tail.capacity();
        let rows = rows.into_iter().map(|row| table.widened(row)).collect::<Result<Vec<_>>>()?;
        self.tail.replace(rows, complete)
    }

    /// Lets the changes pass, and says what they change of the result.
    pub(crate) fn advance(&mut self) -> Result<Ready> {
        if let Some(related) = &mut self.related {
            related.follow()?;
        }
        let rows = self.rows()?;
        let units = self.units(rows)?;
        for (row, weight) in units {
            let key = Key::of(bound::values(&self.part, &row)?);
            self.tail.take(&key, &row, weight)?;
        }
        let changes = match self.tail.flush()? {
            Flushed::Changes(changes) => changes,
            Flushed::Refill => return Ok(Ready::Refill),
        };
        match &mut self.related {
            Some(related) => related.advance(changes, &self.tail).map(Ready::Changes),
            None => Ok(Ready::Changes(changes.into_iter().map(|(key, delta)| (key, plain(delta))).collect())),
        }
    }

    /// The rows that come and go, joined, filtered and with the values of sub-queries.
    fn rows(&mut self) -> Result<Flow> {
        let mut all = Flow::new();
        for at in 0..self.sources.len() {
            let mut flow = self.sources[at].advance()?;
            if flow.is_empty() {
                continue;
            }
            for (joined, join) in self.joins.iter_mut().enumerate().skip(at.saturating_sub(1)) {
                flow = if joined + 1 == at { join.take_right(flow)? } else { join.take_left(flow)? };
            }
            all.extend(flow);
        }
        let mut rows = passing(&self.filter, all)?;
        if let Some(attach) = &mut self.attach {
            rows = passing(&self.late_filter, attach.advance(rows)?)?;
        }
        if self.part.is_empty() {
            return Ok(rows);
        }
        // Equal to NULL is nothing.
        let mut ours = Flow::with_capacity(rows.len());
        for (row, weight) in rows {
            if !Key::of(bound::values(&self.part, &row)?).has_null() {
                ours.push((row, weight));
            }
        }
        Ok(ours)
    }

    /// What the rows are folded into.
    fn units(&mut self, rows: Flow) -> Result<Flow> {
        let Some(group) = &mut self.group else { return Ok(rows) };
        let mut units = group.advance(rows)?;
        if let Some(attach) = &mut self.attach_to_groups {
            units = attach.advance(units)?;
        }
        passing(&self.having, units)
    }

    /// The rows of a part.
    pub(crate) fn visible(&self, key: &Key) -> Vec<SharedRow> {
        let entries = self.tail.visible(key);
        match &self.related {
            Some(related) => related.visible(key, entries),
            None => entries.into_iter().map(|entry| entry.row).collect(),
        }
    }

    /// The result, and what tells its rows apart.
    pub(crate) fn result(&self) -> Vec<(Vec<Value>, SharedRow)> {
        let entries = self.tail.visible(&Key::default());
        let identities: Vec<Vec<Value>> =
            entries.iter().map(|entry| self.tail.sorting.identity(&entry.sort).to_vec()).collect();
        identities.into_iter().zip(self.visible(&Key::default())).collect()
    }

    /// How many rows a part has; of a count, how many it counts.
    pub(super) fn rows_of(&self, key: &Key) -> usize {
        match self.tail.selected {
            Selected::Count => match self.tail.first(key) {
                Some(Value::Int(count)) => usize::try_from(count).unwrap_or(0),
                _ => 0,
            },
            _ => self.tail.len(key),
        }
    }

    /// The first value of a part.
    pub(super) fn first(&self, key: &Key) -> Option<Value> {
        self.tail.first(key)
    }

    /// How many rows, groups and values all stages hold.
    pub(crate) fn held(&self) -> usize {
        let sources: usize = self.sources.iter().map(Source::held).sum();
        let joins: usize = self.joins.iter().map(Join::held).sum();
        let attached: usize = self.attach.iter().chain(&self.attach_to_groups).map(Attach::held).sum();
        let groups = self.group.as_ref().map_or(0, Grouping::held);
        let related = self.related.as_ref().map_or(0, Related::held);
        sources + joins + attached + groups + related + self.tail.held()
    }
}

fn passing(conditions: &[Bound], mut flow: Flow) -> Result<Flow> {
    if conditions.is_empty() {
        return Ok(flow);
    }
    let mut failed = None;
    flow.retain(|(row, _)| {
        satisfies(conditions, row).unwrap_or_else(|error| {
            failed.get_or_insert(error);
            false
        })
    });
    failed.map_or(Ok(flow), Err)
}

/// The rows of entries.
fn plain(delta: Delta<super::list::Entry>) -> Delta<SharedRow> {
    Delta {
        added: delta.added.into_iter().map(|added| Added { row: added.row.row, index: added.index }).collect(),
        removed: delta.removed.into_iter().map(|gone| Removed { row: gone.row.row, index: gone.index }).collect(),
        changed: delta
            .changed
            .into_iter()
            .map(|change| Changed { old: change.old.row, new: change.new.row, from: change.from, to: change.to })
            .collect(),
    }
}
