//! Values of sub-queries, attached to the rows they are asked for.
//!
//! Every row is kept with the values it has now. When a sub-query's rows change, the rows that ask for the keys that changed
//! are found by an index, and only those are asked again.

use std::collections::{BTreeMap, BTreeSet};

use super::bound::{self, Bound};
use super::copies::Copies;
use super::key::{Flow, Key, SharedRow};
use super::pipeline::{Loads, Pipeline, Ready};
use super::touched::per_key;
use crate::error::{Error, Result};
use crate::live::change::RowChange;
use crate::query::ir::Query;
use crate::value::Value;
use crate::value::compare::is_same;

/// Attaches the values of sub-queries.
#[derive(Debug)]
pub(super) struct Attach {
    pub(super) asked: Vec<Asked>,
    /// What tells the rows apart: places in them.
    pub(super) identity: Vec<usize>,
    rows: BTreeMap<Key, Attached>,
    /// For each sub-query, who asks for what: the key asked for, then the row's identity.
    index: Vec<BTreeSet<Key>>,
}

#[derive(Debug)]
struct Attached {
    /// The row with its values.
    row: SharedRow,
    count: i64,
    /// What it asks for, one key for each sub-query.
    keys: Vec<Key>,
}

/// A sub-query, and what of it is the value.
#[derive(Debug)]
pub(super) struct Asked {
    /// What the rows of the sub-query must equal, over the row that asks.
    pub(super) by: Vec<Bound>,
    pub(super) kind: AskedFor,
}

#[derive(Debug)]
pub(super) enum AskedFor {
    /// Whether there is a row.
    Exists(Box<Pipeline>),
    /// The first value of the first row.
    First(Box<Pipeline>),
    /// Whether the value is among those of the rows.
    Among { value: Bound, query: Box<Pipeline>, members: BTreeMap<Key, BTreeMap<Key, i64>> },
    /// A sub-query that looks at more of the row that asks than equalities: the evaluator answers, over copies of the
    /// tables.
    Evaluated(Box<Copies>),
}

impl Attach {
    pub(super) fn new(asked: Vec<Asked>, identity: Vec<usize>) -> Self {
        let index = asked.iter().map(|_| BTreeSet::new()).collect();
        Attach { asked, identity, rows: BTreeMap::new(), index }
    }

    pub(super) fn offer(&mut self, changes: &[&RowChange]) -> Result<()> {
        self.asked.iter_mut().try_for_each(|asked| match &mut asked.kind {
            AskedFor::Exists(query) | AskedFor::First(query) | AskedFor::Among { query, .. } => query.offer(changes),
            AskedFor::Evaluated(copies) => copies.offer(changes),
        })
    }

    pub(super) fn loads(&self, loads: &mut Vec<Query>) {
        for asked in &self.asked {
            match &asked.kind {
                AskedFor::Exists(query) | AskedFor::First(query) | AskedFor::Among { query, .. } => query.loads(loads),
                AskedFor::Evaluated(copies) => copies.loads(loads),
            }
        }
    }

    pub(super) fn fill(&mut self, loads: &mut Loads) -> Result<()> {
        self.asked.iter_mut().try_for_each(|asked| match &mut asked.kind {
            AskedFor::Exists(query) | AskedFor::First(query) | AskedFor::Among { query, .. } => query.fill(loads),
            AskedFor::Evaluated(copies) => copies.fill(loads),
        })
    }

    /// The rows that come and go, with their values; and those whose values have changed.
    pub(super) fn advance(&mut self, flow: Flow) -> Result<Flow> {
        let mut out = Flow::with_capacity(flow.len());
        let mut affected: BTreeSet<Key> = BTreeSet::new();
        for (asked, index) in self.asked.iter_mut().zip(&self.index) {
            for key in asked.advance()? {
                let asking = index.range((std::ops::Bound::Included(&key), std::ops::Bound::Unbounded));
                for entry in asking.take_while(|entry| entry.begins_with(&key)) {
                    affected.insert(Key(entry.0[entry.0.len() - self.identity.len()..].into()));
                }
            }
        }
        for identity in affected {
            let Some(known) = self.rows.get(&identity) else { continue };
            let (before, count) = (known.row.clone(), known.count);
            let plain: SharedRow = before[..before.len() - self.asked.len()].into();
            let after = self.asked_for(&plain)?;
            if after.row == before {
                continue;
            }
            out.push((before, -count));
            out.push((after.row.clone(), count));
            self.forget(&identity);
            self.keep(identity, after, count);
        }
        for (row, weight) in flow {
            let identity = Key(self.identity.iter().filter_map(|at| row.get(*at)).cloned().collect());
            if let Some(known) = self.rows.get_mut(&identity) {
                known.count += weight;
                out.push((known.row.clone(), weight));
                match known.count {
                    0 => self.forget(&identity),
                    ..0 => return Err(Error::internal("a row went that had not come")),
                    _ => {}
                }
            } else if weight > 0 {
                let attached = self.asked_for(&row)?;
                out.push((attached.row.clone(), weight));
                self.keep(identity, attached, weight);
            } else {
                return Err(Error::internal("a row went that had not come"));
            }
        }
        Ok(out)
    }

    /// Asks all sub-queries for a row. A later one may look at the values of those before it.
    fn asked_for(&mut self, row: &SharedRow) -> Result<Attached> {
        let mut values = row.to_vec();
        let mut keys = Vec::with_capacity(self.asked.len());
        for asked in &mut self.asked {
            let (key, value) = asked.answer(&values)?;
            keys.push(key);
            values.push(value);
        }
        Ok(Attached { row: values.into(), count: 0, keys })
    }

    fn keep(&mut self, identity: Key, attached: Attached, count: i64) {
        for (index, key) in self.index.iter_mut().zip(&attached.keys) {
            index.insert(key.and(identity.0.iter()));
        }
        self.rows.insert(identity, Attached { count, ..attached });
    }

    fn forget(&mut self, identity: &Key) {
        if let Some(attached) = self.rows.remove(identity) {
            for (index, key) in self.index.iter_mut().zip(&attached.keys) {
                index.remove(&key.and(identity.0.iter()));
            }
        }
    }

    /// How many rows ask a sub-query for the same, on average.
    pub(super) fn asking_per_key(&self, at: usize) -> f64 {
        let Some(index) = self.index.get(at) else { return 0.0 };
        let identity = self.identity.len();
        let mut keys = 0;
        let mut last: Option<&[Value]> = None;
        for key in index {
            let asked = &key.0[..key.0.len() - identity];
            if !last.is_some_and(|last| last.iter().zip(asked).all(|(a, b)| is_same(a, b))) || last.is_none() {
                keys += 1;
            }
            last = Some(asked);
        }
        per_key(index.len(), keys)
    }

    /// How many rows are held.
    pub(super) fn held(&self) -> usize {
        let inside = self.asked.iter().map(|asked| match &asked.kind {
            AskedFor::Exists(query) | AskedFor::First(query) => query.held(),
            AskedFor::Among { query, members, .. } => query.held() + members.values().map(BTreeMap::len).sum::<usize>(),
            AskedFor::Evaluated(copies) => copies.held(),
        });
        self.rows.len() + inside.sum::<usize>()
    }
}

impl Asked {
    /// The sub-query's stages.
    pub(super) fn query(&self) -> Option<&Pipeline> {
        match &self.kind {
            AskedFor::Exists(query) | AskedFor::First(query) | AskedFor::Among { query, .. } => Some(query),
            AskedFor::Evaluated(_) => None,
        }
    }

    /// The tables that are copied for it.
    pub(super) fn tables(&self) -> Vec<&'static str> {
        match &self.kind {
            AskedFor::Evaluated(copies) => copies.tables(),
            _ => Vec::new(),
        }
    }

    /// The keys whose answers may be others now.
    fn advance(&mut self) -> Result<Vec<Key>> {
        let parts = match &mut self.kind {
            AskedFor::Evaluated(copies) => return Ok(copies.advance()),
            AskedFor::Exists(query) | AskedFor::First(query) | AskedFor::Among { query, .. } => query.advance()?,
        };
        let Ready::Changes(parts) = parts else {
            return Err(Error::internal("a sub-query holds all its rows"));
        };
        let AskedFor::Among { members, .. } = &mut self.kind else {
            return Ok(parts.into_iter().map(|(key, _)| key).collect());
        };
        let mut keys = Vec::new();
        for (part, delta) in parts {
            let gone = delta.removed.iter().map(|row| &row.row).chain(delta.changed.iter().map(|row| &row.old));
            let come = delta.added.iter().map(|row| &row.row).chain(delta.changed.iter().map(|row| &row.new));
            let known = members.entry(part.clone()).or_default();
            let was = (known.is_empty(), known.first_key_value().is_some_and(|(first, _)| first.has_null()));
            let mut changed = Vec::new();
            for (row, weight) in gone.map(|row| (row, -1)).chain(come.map(|row| (row, 1))) {
                let member = Key(row.iter().take(1).cloned().collect());
                let count = known.entry(member.clone()).or_insert(0);
                *count += weight;
                if *count == 0 {
                    known.remove(&member);
                }
                changed.push(member);
            }
            let is = (known.is_empty(), known.first_key_value().is_some_and(|(first, _)| first.has_null()));
            if is.0 {
                members.remove(&part);
            }
            if was == is {
                keys.extend(changed.into_iter().map(|member| part.and(member.0.iter())));
            } else {
                // Nothing is in an empty set, and nothing is known to be outside of one with NULL.
                keys.push(part);
            }
        }
        Ok(keys)
    }

    /// What a row asks for, and the answer.
    fn answer(&mut self, row: &[Value]) -> Result<(Key, Value)> {
        let by = Key::of(bound::values(&self.by, row)?);
        match &mut self.kind {
            AskedFor::Exists(query) => {
                let found = query.rows_of(&by) > 0;
                Ok((by, Value::Bool(found)))
            }
            AskedFor::First(query) => {
                let value = query.first(&by).unwrap_or(Value::Null);
                Ok((by, value))
            }
            AskedFor::Among { value, members, .. } => {
                let value = value.value(row)?.into_owned();
                let empty = BTreeMap::new();
                let members = members.get(&by).unwrap_or(&empty);
                let truth = is_among(&value, members);
                Ok((by.and([&value]), truth.map_or(Value::Null, Value::Bool)))
            }
            AskedFor::Evaluated(copies) => {
                let value = copies.answer(row)?;
                Ok((by, value))
            }
        }
    }
}

/// SQL's `IN`.
fn is_among(value: &Value, members: &BTreeMap<Key, i64>) -> Option<bool> {
    if members.is_empty() {
        return Some(false);
    }
    if value.is_null() {
        return None;
    }
    if members.contains_key(&Key(Box::new([value.clone()]))) {
        return Some(true);
    }
    let null = members.first_key_value().is_some_and(|(first, _)| first.has_null());
    if null { None } else { Some(false) }
}
