//! The server's [`Executor`]: writes as SQL by primary key, checked against the caller's policy.
//!
//! - A row that the caller may not read is treated exactly as if it were absent.
//! - Deletes and updates check the old image when the statement runs; inserts and updates check the new image at the
//!   end of the mutation ([`ServerExecutor::finish`]), so that a row and what makes it permitted may come in one
//!   mutation.
//! - A row that this mutation inserted is the mutation's own: only its image at the end counts.
//! - Cascades are the database's and are not checked again.

mod conflict;
mod plan;
mod row_rules;

use std::collections::BTreeMap;

use conflict::{is_constraint, plain_conflict};
pub(super) use plan::Plans;
use plan::{Rule, TablePlan};
use serde_json::json;

use super::ServerEngine;
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::mutate::{Access, ErasedCtx, Executor};
use crate::query::ir::{self, Change, Expr, Write};
use crate::query::lower::{self, Dialect};
use crate::schema::TableDef;
use crate::store::SqlExecutor;
use crate::store::ddl::quote;
use crate::value::{Kind, Row, Value};

/// What of a row is checked at the end of the mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    /// The row was inserted by this mutation: its insert rule.
    Insert,
    /// The row was there before: its update rule.
    Update,
}

/// What a statement does to the rows it selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Update,
    Delete,
}

/// Which rows a statement selects.
#[derive(Clone, Copy)]
enum Target<'w> {
    Id(&'w str),
    Where(&'w Expr),
}

/// A row a statement selected, with what the rules say of it.
struct Found {
    id: String,
    readable: bool,
    allowed: bool,
    frozen: bool,
}

/// Runs the statements of one mutation.
pub(super) struct ServerExecutor<'e> {
    db: &'e mut dyn SqlExecutor,
    engine: &'e ServerEngine,
    ctx: Option<&'e ErasedCtx>,
    plans: &'e mut Plans,
    statements_left: u64,
    rows_left: u64,
    pending: BTreeMap<(&'static str, String), (&'static TableDef, Pending)>,
    /// A fault of the machine: whatever the mutator makes of it, the mutation has not run.
    fault: Option<Error>,
    /// The budget is used up: whatever the mutator makes of it, the mutation is rejected.
    exhausted: Option<String>,
}

impl<'e> ServerExecutor<'e> {
    /// Without a context every write is trusted.
    pub(super) fn new(
        engine: &'e ServerEngine,
        db: &'e mut dyn SqlExecutor,
        ctx: Option<&'e ErasedCtx>,
        plans: &'e mut Plans,
    ) -> Self {
        let limits = engine.limits();
        ServerExecutor {
            statements_left: limits.mutation_statements,
            rows_left: limits.mutation_rows,
            db,
            engine,
            ctx,
            plans,
            pending: BTreeMap::new(),
            fault: None,
            exhausted: None,
        }
    }

    /// What the mutation really ended with, once its mutator has ended with `outcome`: faults and used-up budgets are
    /// not the mutator's to hide, and the new images are checked.
    pub(super) async fn finish(mut self, outcome: Result<()>) -> Result<()> {
        let outcome = match outcome {
            Ok(()) if self.fault.is_none() && self.exhausted.is_none() => self.check_new_images().await,
            other => other,
        };
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if let Some(budget) = self.exhausted {
            return Err(Error::rejected("internal", budget));
        }
        outcome
    }

    /// Takes one statement and `rows` rows from the budgets.
    fn spend(&mut self, statements: u64, rows: u64) -> Result<()> {
        let limits = self.engine.limits();
        let over = if self.statements_left < statements {
            format!("the mutator ran more than {} statements", limits.mutation_statements)
        } else if self.rows_left < rows {
            format!("the mutator read and wrote more than {} rows", limits.mutation_rows)
        } else {
            self.statements_left -= statements;
            self.rows_left -= rows;
            return Ok(());
        };
        self.exhausted.get_or_insert_with(|| over.clone());
        Err(Error::rejected("internal", over))
    }

    /// Keeps a fault of the machine, so that a mutator that goes on does not hide it; the mutator gets a copy.
    fn note<T>(&mut self, result: Result<T>) -> Result<T> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        // FULL, IOERR, NOMEM and CORRUPT may have rolled the whole transaction back; so may a user's trigger.
        let lost = !self.db.in_transaction();
        if !lost && error.is_refusal() {
            return Err(error);
        }
        let copy = Error::new(ErrorKind::Fault, error.message().to_owned());
        self.fault.get_or_insert(error);
        Err(copy)
    }

    async fn rows(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>> {
        self.spend(1, 0)?;
        let rows = self.db.query(sql, params, kinds).await;
        let rows = self.note(rows)?;
        self.spend(0, rows.len() as u64)?;
        Ok(rows)
    }

    async fn run(&mut self, sql: &str, params: &[Value]) -> Result<u64> {
        self.spend(1, 1)?;
        let changed = self.db.execute(sql, params).await;
        self.note(changed)
    }

    fn plan(&mut self, table: &'static TableDef, access: Access) -> Result<std::sync::Arc<TablePlan>> {
        let ctx = match access {
            Access::Checked => self.ctx,
            Access::Trusted => None,
        };
        self.plans.plan(self.engine, ctx, table)
    }

    async fn insert(&mut self, table: &'static TableDef, row: Row, access: Access) -> Result<u64> {
        let plan = self.plan(table, access)?;
        if row.len() != table.columns.len() {
            return Err(Error::internal(format!("a row of `{}` has {} values", table.name, row.len())));
        }
        if plan.rules.as_ref().is_some_and(|rules| rules.insert.fixed == Some(false)) {
            return Err(refused("insert", table));
        }
        table.keeps_checks(&row)?;
        let id = table.row_id(&row).to_owned();
        if let Err(error) = self.run(&plan.insert, &row).await {
            return Err(self.explain_conflict(&plan, table, error, &|column| Some(row[column].clone())).await);
        }
        if plan.rules.is_some() {
            // A row that this mutation deleted before and inserts again is checked as an insert.
            self.pending.insert((table.name, id), (table, Pending::Insert));
        }
        Ok(1)
    }

    /// The rows a statement is about, in order of id, with what the rules say of them.
    async fn select(
        &mut self,
        plan: &TablePlan,
        table: &'static TableDef,
        target: Target<'_>,
        purpose: Purpose,
        changes: &[Change],
    ) -> Result<Vec<Found>> {
        let name = quote(table.name);
        let mut params = Vec::new();
        let condition = |rule: Option<&Rule>, params: &mut Vec<Value>| match rule {
            Some(Rule { fixed: Some(fixed), .. }) => String::from(if *fixed { "1" } else { "0" }),
            Some(Rule { sql, params: own, .. }) => {
                params.extend(own.iter().cloned());
                format!("coalesce(({sql}), 0)")
            }
            None => "1".to_owned(),
        };
        let rules = plan.rules.as_ref();
        let readable = condition(rules.map(|rules| &rules.read), &mut params);
        let rule = rules.map(|rules| if purpose == Purpose::Update { &rules.update } else { &rules.delete });
        let allowed = condition(rule, &mut params);
        let frozen_columns = rules.map(|rules| rules.frozen).unwrap_or_default();
        let mut frozen = Vec::new();
        for change in changes.iter().filter(|change| frozen_columns.contains(&change.column)) {
            let (value, own) = value_sql(table, &change.value);
            params.extend(own);
            frozen.push(format!("({value}) IS NOT {name}.{}", quote(change.column)));
        }
        let frozen = if frozen.is_empty() { "0".to_owned() } else { frozen.join(" OR ") };
        let filter = match target {
            Target::Id(id) => {
                params.push(Value::from(id));
                format!("{name}.\"id\" = ?")
            }
            Target::Where(expr) => {
                let (sql, own) = lower::condition(Dialect::Sqlite, table, table.name, expr, &|table| table.to_owned());
                params.extend(own);
                sql
            }
        };
        let sql = format!(
            "SELECT {name}.\"id\", {readable}, {allowed}, {frozen} FROM {name} WHERE {filter} ORDER BY {name}.\"id\""
        );
        let rows = self.rows(&sql, &params, &[Kind::Id, Kind::Bool, Kind::Bool, Kind::Bool]).await?;
        Ok(rows
            .into_iter()
            .map(|row| Found {
                id: row[0].as_text().unwrap_or_default().to_owned(),
                readable: row[1] == Value::Bool(true),
                allowed: row[2] == Value::Bool(true),
                frozen: row[3] == Value::Bool(true),
            })
            .collect())
    }

    /// The ids a write concerns, once every one of them is permitted.
    async fn targets(
        &mut self,
        plan: &TablePlan,
        table: &'static TableDef,
        target: Target<'_>,
        purpose: Purpose,
        changes: &[Change],
    ) -> Result<Vec<String>> {
        let found = self.select(plan, table, target, purpose, changes).await?;
        let mut ids = Vec::with_capacity(found.len());
        for row in found {
            let own =
                self.pending.get(&(table.name, row.id.clone())).is_some_and(|(_, pending)| *pending == Pending::Insert);
            if !own {
                if !row.readable {
                    continue;
                }
                if !row.allowed {
                    return Err(refused(if purpose == Purpose::Update { "update" } else { "delete" }, table));
                }
                if row.frozen {
                    return Err(Error::unauthorized(format!("a column of `{}` may never be changed", table.name)));
                }
            }
            ids.push(row.id);
        }
        match target {
            Target::Id(id) if ids.is_empty() => {
                Err(Error::not_found(format!("there is no row `{id}` in `{}`", table.name)))
            }
            _ => Ok(ids),
        }
    }

    async fn update(
        &mut self,
        table: &'static TableDef,
        target: Target<'_>,
        changes: &[Change],
        access: Access,
    ) -> Result<u64> {
        let plan = self.plan(table, access)?;
        if let Some(change) =
            changes.iter().find(|change| change.column == "id" || table.column(change.column).is_none())
        {
            return Err(Error::internal(format!("`{}.{}` cannot be updated", table.name, change.column)));
        }
        let ids = self.targets(&plan, table, target, Purpose::Update, changes).await?;
        if changes.is_empty() {
            return Ok(ids.len() as u64);
        }
        self.keeps_row_rules(&plan, table, &ids, changes).await?;
        let mut params = Vec::new();
        let mut set = Vec::with_capacity(changes.len());
        for change in changes {
            let (value, own) = value_sql(table, &change.value);
            params.extend(own);
            set.push(format!("{} = {value}", quote(change.column)));
        }
        let sql = format!("UPDATE {} SET {} WHERE \"id\" = ?", quote(table.name), set.join(", "));
        params.push(Value::Null);
        let matched = ids.len() as u64;
        for id in ids {
            if let Some(last) = params.last_mut() {
                *last = Value::Text(id.clone());
            }
            if let Err(error) = self.run(&sql, &params).await {
                let literal = |column: usize| {
                    let change = changes.iter().find(|change| change.column == table.columns[column].name);
                    change.and_then(|change| match &change.value {
                        Expr::Literal(value) => Some(value.clone()),
                        _ => None,
                    })
                };
                return Err(self.explain_conflict(&plan, table, error, &literal).await);
            }
            if plan.rules.is_some() {
                self.pending.entry((table.name, id)).or_insert((table, Pending::Update));
            }
        }
        Ok(matched)
    }

    async fn delete(&mut self, table: &'static TableDef, target: Target<'_>, access: Access) -> Result<u64> {
        let plan = self.plan(table, access)?;
        let ids = self.targets(&plan, table, target, Purpose::Delete, &[]).await?;
        let matched = ids.len() as u64;
        for id in ids {
            if let Some((_, Pending::Update)) = self.pending.get(&(table.name, id.clone())) {
                // An update of this mutation must be permitted for itself: otherwise a row could be changed into one
                // that may be deleted.
                if plan.rules.is_some() && self.is_refused(table, Pending::Update, &[id.as_str()]).await? {
                    return Err(refused("update", table));
                }
            }
            if let Err(error) = self.run(&plan.delete, &[Value::from(id.as_str())]).await {
                // What stands in the way are rows that refer to this one, perhaps some the caller may not read.
                return Err(match plan.rules {
                    Some(_) if error.kind() == ErrorKind::Conflict && is_constraint(&error) => plain_conflict(),
                    _ => error,
                });
            }
            self.pending.remove(&(table.name, id));
        }
        Ok(matched)
    }

    /// Whether one of these rows, as it is now, breaks the rule for new images. A row that is gone breaks none.
    async fn is_refused(&mut self, table: &'static TableDef, pending: Pending, ids: &[&str]) -> Result<bool> {
        let plan = self.plan(table, Access::Checked)?;
        let Some(rules) = plan.rules.as_ref() else { return Ok(false) };
        let rule = match pending {
            Pending::Insert => &rules.insert,
            Pending::Update => &rules.update,
        };
        if rule.fixed == Some(true) {
            return Ok(false);
        }
        let name = quote(table.name);
        let condition = match rule.fixed {
            Some(_) => "0".to_owned(),
            None => format!("coalesce(({}), 0)", rule.sql),
        };
        let mut params = Vec::new();
        let rows = match ids {
            [id] => {
                params.push(Value::from(*id));
                format!("{name}.\"id\" = ?")
            }
            ids => {
                params.push(Value::Text(json!(ids).to_string()));
                format!("{name}.\"id\" IN (SELECT value FROM json_each(?))")
            }
        };
        if rule.fixed.is_none() {
            params.extend(rule.params.iter().cloned());
        }
        let sql = format!("SELECT 1 FROM {name} WHERE {rows} AND NOT {condition} LIMIT 1");
        Ok(!self.rows(&sql, &params, &[Kind::Int]).await?.is_empty())
    }

    async fn check_new_images(&mut self) -> Result<()> {
        // Grouped by table and rule: one query for each.
        let mut groups: BTreeMap<(&'static str, bool), (&'static TableDef, Vec<String>)> = BTreeMap::new();
        for ((name, id), (table, pending)) in std::mem::take(&mut self.pending) {
            let group = groups.entry((name, pending == Pending::Insert)).or_insert((table, Vec::new()));
            group.1.push(id);
        }
        for ((_, insert), (table, ids)) in groups {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let pending = if insert { Pending::Insert } else { Pending::Update };
            if self.is_refused(table, pending, &ids).await? {
                return Err(refused(if insert { "insert" } else { "update" }, table));
            }
        }
        Ok(())
    }
}

fn refused(operation: &str, table: &TableDef) -> Error {
    Error::unauthorized(format!("the caller may not {operation} this row of `{}`", table.name))
}

/// The new value of a column as SQL over the row before the update.
fn value_sql(table: &'static TableDef, value: &Expr) -> (String, Vec<Value>) {
    match value {
        Expr::Literal(value) => ("?".to_owned(), vec![value.clone()]),
        expr => lower::condition(Dialect::Sqlite, table, table.name, expr, &|table| table.to_owned()),
    }
}

impl Executor for ServerExecutor<'_> {
    fn query<'a>(&'a mut self, query: &'a ir::Query) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            let lowered = lower::select(Dialect::Sqlite, query);
            self.rows(&lowered.sql, &lowered.params, &lowered.kinds).await
        })
    }

    fn write(&mut self, write: Write, access: Access) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            match &write {
                Write::Insert { table, row } => self.insert(table, row.clone(), access).await,
                Write::Update { table, id, changes } => self.update(table, Target::Id(id), changes, access).await,
                Write::UpdateWhere { table, filter, changes } => {
                    self.update(table, Target::Where(filter), changes, access).await
                }
                Write::Delete { table, id } => self.delete(table, Target::Id(id), access).await,
                Write::DeleteWhere { table, filter } => self.delete(table, Target::Where(filter), access).await,
            }
        })
    }
}
