//! The server's [`Executor`]: writes as SQL by primary key, checked against the caller's policy.
//!
//! - A row that the caller may not read is treated exactly as if it were absent.
//! - Deletes and updates check the old image when the statement runs; inserts and updates check the new image at the
//!   end of the mutation ([`ServerExecutor::finish`]), so that a row and what makes it permitted may come in one
//!   mutation.
//! - A row that this mutation inserted is the mutation's own: only its image at the end counts.
//! - A row that the client saw otherwise is merged when the mutator has ended, before the new images are checked.
//! - Cascades are the database's and are not checked again.

mod check;
mod conflict;
mod envelopes;
mod merge;
mod plan;
mod row_rules;
mod write;

use std::collections::BTreeMap;

pub(super) use merge::Bases;
use merge::Merges;
pub(super) use plan::Plans;
use plan::TablePlan;
use write::Target;

use super::ServerEngine;
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::mutate::{Access, ErasedCtx, Executor};
use crate::query::ir::{self, Write};
use crate::query::lower::Dialect;
use crate::schema::TableDef;
use crate::server::push::Deferring;
use crate::store;
use crate::store::query::Reading;
use crate::value::{Kind, Row, Value};

/// What of a row is checked at the end of the mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    /// The row was inserted by this mutation: its insert rule.
    Insert,
    /// The row was there before: its update rule.
    Update,
}

/// Runs the statements of one mutation.
pub(super) struct ServerExecutor<'e> {
    db: &'e mut dyn Deferring,
    engine: &'e ServerEngine,
    ctx: Option<&'e ErasedCtx>,
    plans: &'e mut Plans,
    statements_left: u64,
    rows_left: u64,
    pending: BTreeMap<(&'static str, String), (&'static TableDef, Pending)>,
    merges: Merges,
    /// A fault of the machine: whatever the mutator makes of it, the mutation has not run.
    fault: Option<Error>,
    /// The budget is used up: whatever the mutator makes of it, the mutation is rejected.
    exhausted: Option<String>,
}

impl<'e> ServerExecutor<'e> {
    /// Without a context every write is trusted.
    pub(super) fn new(
        engine: &'e ServerEngine,
        db: &'e mut dyn Deferring,
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
            merges: Merges::default(),
            fault: None,
            exhausted: None,
        }
    }

    /// The rows as the client saw them: those that are others by now are merged.
    pub(super) fn saw(&mut self, bases: Bases) {
        self.merges = Merges::new(bases);
    }

    /// What the mutation really ended with, once its mutator has ended with `outcome`: faults and used-up budgets are
    /// not the mutator's to hide, conflicts are merged, and the new images are checked.
    pub(super) async fn finish(mut self, outcome: Result<()>) -> Result<()> {
        let outcome = match outcome {
            Ok(()) if self.fault.is_none() && self.exhausted.is_none() => match self.merge().await {
                Ok(()) => self.check_new_images().await,
                refused => refused,
            },
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

    async fn run(&mut self, sql: &str, params: &[Value]) -> Result<()> {
        self.spend(1, 1)?;
        let done = self.db.write(sql, params).await;
        self.note(done)
    }

    /// Whether a query that mostly has no rows has one.
    async fn finds(&mut self, sql: &str, params: &[Value]) -> Result<bool> {
        self.spend(1, 0)?;
        let found = self.db.finds(sql, params).await;
        self.note(found)
    }

    fn plan(&mut self, table: &'static TableDef, access: Access) -> Result<std::sync::Arc<TablePlan>> {
        let ctx = match access {
            Access::Checked => self.ctx,
            Access::Trusted => None,
        };
        self.plans.plan(self.engine, self.db.dialect(), ctx, table)
    }
}

impl Executor for ServerExecutor<'_> {
    fn query<'a>(&'a mut self, query: &'a ir::Query) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            let mut reading = Reading::new(self.db.dialect(), query);
            while let Some(statement) = reading.next() {
                reading.answer(self.rows(&statement.sql, &statement.params, &statement.kinds).await?)?;
            }
            Ok(reading.finish())
        })
    }

    fn write(&mut self, write: Write, access: Access) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move { Ok(self.run_write(&write, access, None).await?.len() as u64) })
    }

    fn write_returning(&mut self, write: Write, access: Access) -> BoxFuture<'_, Result<Vec<Row>>> {
        Box::pin(async move {
            let mut before = Vec::new();
            let ids = self.run_write(&write, access, Some(&mut before)).await?;
            match write {
                Write::Delete { .. } | Write::DeleteWhere { .. } => Ok(before),
                Write::Insert { table, .. } | Write::Update { table, .. } | Write::UpdateWhere { table, .. } => {
                    self.stored(table, &ids).await
                }
            }
        })
    }

    fn sql<'a>(&'a mut self, sql: &'a str, params: &'a [Value], kinds: &'a [Kind]) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            self.spend(1, 0)?;
            let rows = self.db.read(sql, params, kinds).await;
            let rows = self.note(rows.map_err(|error| wrong_statement(self.db.dialect(), error)))?;
            self.spend(0, rows.len() as u64)?;
            Ok(rows)
        })
    }
}

impl ServerExecutor<'_> {
    /// Runs a write; returns the ids it matched, and, where it is asked for them, the rows it deleted.
    async fn run_write(
        &mut self,
        write: &Write,
        access: Access,
        deleted: Option<&mut Vec<Row>>,
    ) -> Result<Vec<String>> {
        match write {
            Write::Insert { table, row } => self.insert(table, row.clone(), access).await,
            Write::Update { table, id, changes } => self.update(table, Target::Id(id), changes, access).await,
            Write::UpdateWhere { table, filter, changes } => {
                self.update(table, Target::Where(filter), changes, access).await
            }
            Write::Delete { table, id } => self.delete(table, Target::Id(id), access, deleted).await,
            Write::DeleteWhere { table, filter } => self.delete(table, Target::Where(filter), access, deleted).await,
        }
    }
}

/// A raw statement that cannot be run is the application's defect, and no fault of the machine that passes.
fn wrong_statement(dialect: Dialect, error: Error) -> Error {
    if store::is_statement(dialect, &error) {
        return Error::internal(error.message().to_owned()).with_source(error);
    }
    error
}
