//! How a transaction ends: with the outcomes of its mutations.

use std::collections::VecDeque;

use super::group::{Group, Lost};
use crate::error::{Error, Result};
use crate::query::lower::Dialect;
use crate::server::ledger::unit::{self, Ended, FINISH_ALL_POSTGRES};
use crate::server::ledger::{self, Stored};
use crate::store::{SqlExecutor as _, SqlStep};
use crate::value::{Row, Value};

/// The units drawn for a push, one a mutation.
#[derive(Debug, Default)]
pub(super) struct Units {
    left: VecDeque<i64>,
    /// The triggers know the first already.
    first: bool,
    current: Option<i64>,
}

impl Units {
    pub(super) fn drawn(rows: Vec<Row>) -> Self {
        let left = rows.iter().filter_map(|row| row.first().and_then(Value::as_int)).collect();
        Units { left, first: true, current: None }
    }

    /// The next mutation's, and whether the triggers know it. None where none were drawn.
    pub(super) fn begin(&mut self) -> Option<(i64, bool)> {
        self.current = self.left.pop_front();
        self.current.map(|unit| (unit, std::mem::take(&mut self.first)))
    }

    /// That of the mutation that ends, which need not have begun.
    fn end(&mut self) -> Result<i64> {
        let unit = self.current.take().or_else(|| {
            self.first = false;
            self.left.pop_front()
        });
        unit.ok_or_else(|| Error::internal("a push has more mutations than units were drawn"))
    }
}

/// How a client's entry advances.
#[derive(Debug)]
pub(super) struct Advance {
    pub(super) client: String,
    pub(super) group: String,
    pub(super) last: u64,
    pub(super) unit: i64,
}

impl Group<'_> {
    /// Keeps the outcome of a pushed mutation for the end of the transaction; returns its unit. Its position is not drawn
    /// before either, so that it comes after all that the mutation read.
    pub(super) fn keep(&mut self, mutation: u64, stored: &Stored, again: bool) -> Result<i64> {
        let unit = self.units.end()?;
        self.ended.push(Ended { mutation, unit, stored: stored.clone(), again });
        Ok(unit)
    }

    /// Stores what is left to store, and commits.
    pub(super) async fn close(&mut self) -> Result<(), Lost> {
        unit::clear(&mut self.db).await?;
        let dialect = self.db.dialect();
        let Advance { client, group, last, unit } = match self.advance.take() {
            Some(advance) => advance,
            None => return self.commit(&[SqlStep::Batch("COMMIT")]).await,
        };
        let (now, ended) = (Value::Int(self.now), unit::all_ended(&self.ended)?);
        let outcomes = [now, Value::from(group.as_str()), Value::from(client.as_str()), ended];
        let (advance, params) = ledger::advance_by(dialect, &client, &group, last, unit, self.now);
        self.commit(&[
            SqlStep::Execute(FINISH_ALL_POSTGRES, &outcomes),
            SqlStep::Execute(advance, &params),
            SqlStep::Batch("COMMIT"),
        ])
        .await
    }

    async fn commit(&mut self, steps: &[SqlStep<'_>]) -> Result<(), Lost> {
        // Constraints are immediate, but for those an operator has deferred: a commit fails for the machine's reasons, or
        // because of what else was committed.
        let Err(error) = self.db.send(steps).await else { return Ok(()) };
        if error.data().is_some_and(|data| data["table"] == "_plasma_outcomes") {
            // A key that was issued before: no commit was tried.
            return Err(error.into());
        }
        let at = match self.finished.as_slice() {
            [(_, id)] if self.db.dialect() == Dialect::Postgres => Some(*id),
            _ => None,
        };
        Err(Lost { at, at_commit: true, ..Lost::from(error) })
    }
}
