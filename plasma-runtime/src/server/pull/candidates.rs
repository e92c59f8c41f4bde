//! Which rows a difference has to look at: those in the log, and those that changed rows of other tables reach.

use std::collections::BTreeMap;

use super::log::{Entry, Log};
use super::policy::TablePolicy;
use super::source::{key_of, kinds, read_by, select};
use crate::error::Result;
use crate::protocol::cookie::Seen;
use crate::server::edges::Edge;
use crate::store::SqlExecutor;
use crate::value::{Row, Value};

/// A row that may have to be sent.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) id: String,
    /// The current row of one that is not in the log.
    pub(super) row: Option<Row>,
    /// Something it depends on changed between the heads the reader's last set was made at: whether the reader holds
    /// it cannot be told.
    pub(super) unsure: bool,
    /// What was judged already; it does not depend on where the page ends.
    pub(super) was: Option<Was>,
    pub(super) readable_now: Option<bool>,
}

/// Whether the reader holds a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Was {
    /// It may.
    pub(super) maybe: bool,
    /// It does.
    pub(super) surely: bool,
}

/// Values of a column, and whether one of them comes from between the heads.
type Values = BTreeMap<String, (Value, bool)>;

/// The candidates of a table, by id. `seen` are the heads of the reader's last set.
pub(super) async fn of(
    db: &mut dyn SqlExecutor,
    log: &Log,
    policy: &TablePolicy,
    seen: Seen,
) -> Result<Vec<Candidate>> {
    let table = policy.table;
    let mut found: BTreeMap<String, Candidate> = BTreeMap::new();
    let new = |id: &str, row, unsure| Candidate { id: id.to_owned(), row, unsure, was: None, readable_now: None };
    for (id, entries) in log.rows(table.name) {
        let unsure = log.changed_between(entries, seen.first, seen.last);
        found.insert(id.to_owned(), new(id, None, unsure));
    }
    let Some(rule) = &policy.rule else { return Ok(found.into_values().collect()) };
    for edge in &rule.analysis.edges {
        let mut values = changed_values(log, edge, seen)?;
        for step in &edge.steps {
            if values.is_empty() {
                break;
            }
            let mut rows = Vec::new();
            for row in read_by(db, log, step.table, step.column, &values).await? {
                let unsure = values.get(&key_of(&row[step.column])).is_some_and(|(_, unsure)| *unsure);
                rows.push((row, unsure));
            }
            let logged = logged_rows(log, step.table.name, step.column, &values)?;
            let position = edge.steps.iter().position(|other| std::ptr::eq(other, step)).unwrap_or(0);
            match edge.steps.get(position + 1) {
                Some(next) => {
                    let mut above = Values::new();
                    let images = logged.into_iter().map(|(_, row, unsure)| (row, unsure));
                    for (row, unsure) in rows.into_iter().chain(images) {
                        note(&mut above, &row[next.from], unsure);
                    }
                    values = above;
                }
                None => {
                    for (row, unsure) in rows {
                        let id = table.row_id(&row).to_owned();
                        let candidate = found.entry(id.clone()).or_insert_with(|| new(&id, Some(row), false));
                        candidate.unsure |= unsure;
                    }
                    for (id, _, unsure) in logged {
                        if let Some(candidate) = found.get_mut(id) {
                            candidate.unsure |= unsure;
                        }
                    }
                    break;
                }
            }
        }
    }
    if let Some(unsure) = unreachable_change(log, policy, seen) {
        // Nothing says which rows it concerns: all of them are looked at, and only differences are sent.
        for candidate in found.values_mut() {
            candidate.unsure |= unsure;
        }
        for row in db.query(&select(table, ""), &[], &kinds(table)).await? {
            let id = table.row_id(&row).to_owned();
            let candidate = found.entry(id.clone()).or_insert_with(|| new(&id, Some(row), false));
            candidate.unsure |= unsure;
        }
    }
    Ok(found.into_values().collect())
}

/// Whether a table changed that the rule reads without an equality; inside: whether it did between the heads.
fn unreachable_change(log: &Log, policy: &TablePolicy, seen: Seen) -> Option<bool> {
    let rule = policy.rule.as_ref()?;
    let mut changed = None;
    for unreachable in &rule.analysis.unreachable {
        for entry in log.entries_of(unreachable.dep.name) {
            changed = Some(changed.unwrap_or(false) || between(entry, seen));
        }
    }
    changed
}

/// What the changed rows of the edge's table hold in the column the first step goes from, before and after each change.
fn changed_values(log: &Log, edge: &Edge, seen: Seen) -> Result<Values> {
    let mut values = Values::new();
    let from = edge.steps[0].from;
    for entry in log.entries_of(edge.dep.name) {
        let prior = entry.prior().map(|image| image.row()).transpose()?;
        let value = entry.value().map(|image| image.row()).transpose()?;
        if let (Some(prior), Some(value)) = (prior, value)
            && edge.columns.iter().all(|column| prior[*column] == value[*column])
        {
            continue;
        }
        for row in [prior, value].into_iter().flatten() {
            if edge.constants.iter().all(|(column, list)| list.contains(&row[*column])) {
                note(&mut values, &row[from], between(entry, seen));
            }
        }
    }
    Ok(values)
}

/// The rows of the log one of whose images holds one of the values.
fn logged_rows<'l>(log: &'l Log, table: &str, column: usize, values: &Values) -> Result<Vec<(&'l str, Row, bool)>> {
    let mut found = Vec::new();
    for (id, entries) in log.rows(table) {
        for entry in entries {
            let entry = &log.entries[*entry];
            for image in [entry.prior(), entry.value()].into_iter().flatten() {
                let row = image.row()?;
                if let Some((_, unsure)) = values.get(&key_of(&row[column])) {
                    found.push((id, row.clone(), *unsure));
                }
            }
        }
    }
    Ok(found)
}

fn note(values: &mut Values, value: &Value, unsure: bool) {
    if !value.is_null() {
        let known = values.entry(key_of(value)).or_insert_with(|| (value.clone(), false));
        known.1 |= unsure;
    }
}

fn between(entry: &Entry, seen: Seen) -> bool {
    entry.version > seen.first && entry.version <= seen.last
}
