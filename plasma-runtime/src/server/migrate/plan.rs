//! What a migration of a database does: its changes, and the written steps that cover them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::diff::{Change, Class, What, diff};
use super::notes::Record;
use super::shape::Shape;
use super::step::{Action, Named, Sql};
use crate::error::{Error, ErrorKind, Result};
use crate::query::lower::Dialect;

/// A rename that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rename {
    Table { from: String, to: String },
    Column { table: String, from: String, to: String },
}

/// What is to be done, and with what.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) renames: Vec<Rename>,
    /// The tables after the renames.
    pub(super) found: Shape,
    pub(super) declared: Shape,
    pub(super) changes: Vec<Change>,
    /// By table and column: the SQL of its new value.
    pub(super) converts: BTreeMap<(String, String), String>,
    /// By table and column: the SQL of a value for rows that have none.
    pub(super) fills: BTreeMap<(String, String), String>,
    /// Columns that a backfill still has to give their values.
    pub(super) backfilled: BTreeSet<(String, String)>,
    /// Positions of the steps that have not run, in order.
    pub(super) pending: Vec<usize>,
    /// Those among them that change nothing here.
    pub(super) idle: BTreeSet<usize>,
}

/// The one error of a migration that does not happen: all reasons at once.
pub(super) fn refused(reasons: &[(String, Option<String>, String)]) -> Error {
    let lines: Vec<String> = reasons
        .iter()
        .map(|(table, column, reason)| match column {
            Some(column) => format!("`{table}`.`{column}`: {reason}"),
            None => format!("`{table}`: {reason}"),
        })
        .collect();
    let members: Vec<_> = reasons
        .iter()
        .map(|(table, column, reason)| json!({ "table": table, "column": column, "reason": reason }))
        .collect();
    let message = format!("the database is not migrated:\n  {}", lines.join("\n  "));
    Error::new(ErrorKind::MigrationRefused, message).with_data(json!({ "reasons": members }))
}

fn wrong_step(name: &str, reason: &str) -> Error {
    Error::new(ErrorKind::MigrationRefused, format!("the step \"{name}\" {reason}"))
        .with_data(json!({ "step": name, "reason": reason }))
}

impl Plan {
    /// Plans the way from `found` to `declared`, with the steps that `records` does not have as over.
    ///
    /// # Errors
    /// [`MigrationRefused`](ErrorKind::MigrationRefused) when a step that ran is another one now, two steps have one name,
    /// or a rename meets both names.
    pub(super) fn new(
        mut found: Shape,
        declared: Shape,
        steps: &[Named],
        records: &BTreeMap<String, Record>,
        dialect: Dialect,
    ) -> Result<Self> {
        let mut plan = Plan::default();
        let mut names = BTreeSet::new();
        let mut covers: Vec<(String, Option<String>, usize)> = Vec::new();
        for (index, Named { name, step }) in steps.iter().enumerate() {
            if !names.insert(name) {
                return Err(wrong_step(name, "is there twice"));
            }
            if let Some(record) = records.get(name) {
                if record.checksum != step.checksum() {
                    return Err(wrong_step(
                        name,
                        "has run, and is another one now: give the new one a name of its own",
                    ));
                }
                if record.is_over() {
                    // What a backfill has set is set again for rows that came without it in the meantime.
                    if let Action::Backfill { table, set, .. } = &step.0 {
                        plan.fill(table, set, dialect);
                    }
                    continue;
                }
            }
            plan.pending.push(index);
            match &step.0 {
                Action::RenameTable { .. } | Action::RenameColumn { .. } => {
                    match plan.rename(&mut found, name, &step.0)? {
                        true => {}
                        false => drop(plan.idle.insert(index)),
                    }
                }
                Action::DropTable { table } => covers.push((table.clone(), None, index)),
                Action::DropColumn { table, column } => {
                    covers.push((table.clone(), Some(column.clone()), index));
                }
                Action::ChangeType { table, column, convert } => {
                    let key = (table.clone(), column.clone());
                    plan.converts.insert(key, convert.of(dialect).to_owned());
                    covers.push((table.clone(), Some(column.clone()), index));
                }
                Action::Fill { table, column, value } => {
                    let key = (table.clone(), column.clone());
                    plan.fills.insert(key, value.of(dialect).to_owned());
                    covers.push((table.clone(), Some(column.clone()), index));
                }
                Action::Backfill { table, set, .. } => {
                    plan.fill(table, set, dialect);
                    plan.backfilled.extend(set.iter().map(|(column, _)| (table.clone(), column.clone())));
                }
                Action::Sql(_) => {}
            }
        }
        let mut used = BTreeSet::new();
        let mut changes = std::mem::take(&mut plan.changes);
        changes.extend(diff(&found, &declared));
        for change in &mut changes {
            let place = (change.table.clone(), change.column.clone().unwrap_or_default());
            let covering = covers.iter().find(|(table, column, index)| {
                *table == change.table && *column == change.column && covers_it(&steps[*index].step.0, &change.what)
            });
            if let Some(&(_, _, index)) = covering {
                used.insert(index);
                change.step = Some(steps[index].name.clone());
            } else if takes_value(&change.what) && plan.fills.contains_key(&place) {
                let step = steps.iter().find(|named| match &named.step.0 {
                    Action::Backfill { table, set, .. } => {
                        *table == place.0 && set.iter().any(|(column, _)| *column == place.1)
                    }
                    _ => false,
                });
                change.step = step.map(|named| named.name.clone());
            }
        }
        let structural = plan.pending.iter().copied().filter(|index| {
            let action = &steps[*index].step.0;
            !steps[*index].step.is_data() && !matches!(action, Action::RenameTable { .. } | Action::RenameColumn { .. })
        });
        let idle: Vec<usize> = structural.filter(|index| !used.contains(index)).collect();
        plan.idle.extend(idle);
        (plan.changes, plan.found, plan.declared) = (changes, found, declared);
        Ok(plan)
    }

    fn fill(&mut self, table: &str, set: &[(String, Sql)], dialect: Dialect) {
        for (column, value) in set {
            self.fills.insert((table.to_owned(), column.clone()), value.of(dialect).to_owned());
        }
    }

    /// Makes a rename in `found`. False: there is nothing to rename.
    fn rename(&mut self, found: &mut Shape, name: &str, action: &Action) -> Result<bool> {
        match action {
            Action::RenameTable { from, to } => {
                match (found.tables.contains_key(from), found.tables.contains_key(to)) {
                    (true, true) => Err(wrong_step(name, &format!("renames `{from}` to `{to}`, and both are there"))),
                    (false, _) => Ok(false),
                    (true, false) => {
                        if let Some(table) = found.tables.remove(from) {
                            found.tables.insert(to.clone(), table);
                        }
                        let columns = found.tables.values_mut().flat_map(|table| table.columns.values_mut());
                        for column in columns.filter(|column| column.references.as_ref() == Some(from)) {
                            column.references = Some(to.clone());
                            column.definition.clear();
                        }
                        self.renames.push(Rename::Table { from: from.clone(), to: to.clone() });
                        self.changes.push(renamed(to, None, What::RenamedTable { from: from.clone() }, name));
                        Ok(true)
                    }
                }
            }
            Action::RenameColumn { table, from, to } => {
                let Some(shape) = found.tables.get_mut(table) else { return Ok(false) };
                if !shape.columns.contains_key(from) {
                    return Ok(false);
                }
                if shape.columns.contains_key(to) {
                    return Err(wrong_step(name, &format!("renames `{from}` to `{to}`, and both are there")));
                }
                if let Some(mut column) = shape.columns.remove(from) {
                    // It is known when the rename is done.
                    column.definition.clear();
                    shape.columns.insert(to.clone(), column);
                }
                let unique = std::mem::take(&mut shape.unique).into_iter().map(|set| {
                    let mut set: Vec<String> =
                        set.into_iter().map(|column| if column == *from { to.clone() } else { column }).collect();
                    set.sort_unstable();
                    set
                });
                shape.unique = unique.collect();
                let rename = Rename::Column { table: table.clone(), from: from.clone(), to: to.clone() };
                self.renames.push(rename);
                self.changes.push(renamed(table, Some(to), What::RenamedColumn { from: from.clone() }, name));
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Refuses the plan when no step covers a change that needs one.
    ///
    /// # Errors
    /// [`MigrationRefused`](ErrorKind::MigrationRefused), naming every such change.
    pub(super) fn check(&self, keeps_left_over: bool) -> Result<()> {
        let reasons: Vec<_> = self
            .changes
            .iter()
            .filter(|change| change.step.is_none() && change.class >= Class::NeedsStep)
            .filter(|change| !(keeps_left_over && change.is_left_over()))
            .map(|change| (change.table.clone(), change.column.clone(), change.to_string()))
            .collect();
        if reasons.is_empty() { Ok(()) } else { Err(refused(&reasons)) }
    }
}

fn renamed(table: &str, column: Option<&str>, what: What, step: &str) -> Change {
    Change {
        table: table.to_owned(),
        column: column.map(str::to_owned),
        what,
        class: Class::Breaking,
        reason: String::new(),
        step: Some(step.to_owned()),
    }
}

/// Whether the change gives a column values, or demands them.
fn takes_value(what: &What) -> bool {
    matches!(what, What::NewColumn { .. } | What::Nullability { nullable: false })
}

fn covers_it(action: &Action, what: &What) -> bool {
    match action {
        Action::DropTable { .. } => matches!(what, What::DroppedTable),
        Action::DropColumn { .. } => matches!(what, What::DroppedColumn { .. }),
        Action::ChangeType { .. } => matches!(what, What::Type { .. }),
        Action::Fill { .. } => takes_value(what),
        _ => false,
    }
}
