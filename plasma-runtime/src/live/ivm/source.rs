//! Where rows come from: a table, or a query that stands as one.

use super::bound::{Bound, satisfies};
use super::key::{Flow, SharedRow};
use super::pipeline::{Loads, Pipeline, Ready};
use crate::error::{Error, Result};
use crate::live::change::RowChange;
use crate::query::ir::{Expr, Query, Select, Source as Named};
use crate::schema::TableDef;
use crate::value::{Row, Value};

/// One source of a query.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) rows: Rows,
    /// What its rows must satisfy before anything else is asked.
    pub(super) filter: Vec<Bound>,
    /// What has changed in this transaction.
    pending: Flow,
}

#[derive(Debug)]
pub(super) enum Rows {
    Table(Box<Table>),
    Query(Box<Pipeline>),
    Nothing,
}

/// A table, and which of its columns anybody asks for. The others are NULL, and their changes no changes.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) table: &'static TableDef,
    pub(super) needed: Vec<bool>,
    /// What asks the store for the rows.
    load: Query,
}

impl Table {
    /// `filter` is what [`Source::filter`] binds.
    pub(super) fn new(source: &Named, table: &'static TableDef, needed: Vec<bool>, filter: &[Expr]) -> Self {
        let columns = source.columns().into_iter().zip(&needed).filter(|(_, needed)| **needed);
        let columns = columns.map(|(column, _)| Expr::column(source.name, column)).collect();
        let mut load = Query { select: Select::Exprs(columns), ..Query::of(source.clone()) };
        if !filter.is_empty() {
            load.filter = Some(Expr::And(filter.to_vec()));
        }
        Table { table, needed, load }
    }

    /// What its rows must satisfy.
    pub(super) fn conditions(&self) -> &[Expr] {
        match &self.load.filter {
            Some(Expr::And(conditions)) => conditions,
            _ => &[],
        }
    }

    pub(super) fn load(&self) -> &Query {
        &self.load
    }

    /// A row of [`load`](Self::load), with NULL where nothing was asked.
    pub(super) fn widened(&self, row: Row) -> Result<SharedRow> {
        let mut values = row.into_iter();
        let mut wide = Vec::with_capacity(self.needed.len());
        for needed in &self.needed {
            wide.push(match needed {
                true => values.next().ok_or_else(|| Error::internal("a row of a table is too short"))?,
                false => Value::Null,
            });
        }
        Ok(wide.into())
    }

    fn narrowed(&self, row: &Row) -> SharedRow {
        let values = row.iter().zip(&self.needed);
        values.map(|(value, needed)| if *needed { value.clone() } else { Value::Null }).collect()
    }

    fn is_same(&self, before: &Row, after: &Row) -> bool {
        before.iter().zip(after).zip(&self.needed).all(|((before, after), needed)| !needed || before == after)
    }
}

impl Source {
    pub(super) fn new(rows: Rows, filter: Vec<Bound>) -> Self {
        Source { rows, filter, pending: Flow::new() }
    }

    /// Takes the changes of a transaction. `reaches` says of a row that satisfies the filter whether it matters.
    pub(super) fn offer(&mut self, changes: &[&RowChange], reaches: &dyn Fn(&[Value]) -> Result<bool>) -> Result<()> {
        let table = match &mut self.rows {
            Rows::Table(table) => table,
            Rows::Query(query) => return query.offer(changes),
            Rows::Nothing => return Ok(()),
        };
        for change in changes.iter().filter(|change| change.table == table.table.name) {
            let before = matching(&self.filter, &change.before)?;
            let after = matching(&self.filter, &change.after)?;
            if let (Some(before), Some(after)) = (before, after)
                && table.is_same(before, after)
            {
                continue;
            }
            for (row, weight) in [(before, -1), (after, 1)] {
                if let Some(row) = row
                    && reaches(row)?
                {
                    self.pending.push((table.narrowed(row), weight));
                }
            }
        }
        Ok(())
    }

    /// The queries whose answers [`fill`](Self::fill) takes.
    pub(super) fn loads(&self, loads: &mut Vec<Query>) {
        match &self.rows {
            Rows::Table(table) => loads.push(table.load().clone()),
            Rows::Query(query) => query.loads(loads),
            Rows::Nothing => {}
        }
    }

    pub(super) fn fill(&mut self, loads: &mut Loads) -> Result<()> {
        match &mut self.rows {
            Rows::Table(table) => {
                for row in loads.next()? {
                    self.pending.push((table.widened(row)?, 1));
                }
                Ok(())
            }
            Rows::Query(query) => query.fill(loads),
            Rows::Nothing => Ok(()),
        }
    }

    /// The rows that come and go.
    pub(super) fn advance(&mut self) -> Result<Flow> {
        if let Rows::Query(query) = &mut self.rows {
            let Ready::Changes(parts) = query.advance()? else {
                return Err(Error::internal("a query that stands as a table holds all its rows"));
            };
            let deltas = parts.into_iter().map(|(_, delta)| delta).collect::<Vec<_>>();
            let mut take = |row: SharedRow, weight: i64| -> Result<()> {
                if satisfies(&self.filter, &row)? {
                    self.pending.push((row, weight));
                }
                Ok(())
            };
            for delta in &deltas {
                delta.removed.iter().try_for_each(|removed| take(removed.row.clone(), -1))?;
                delta.changed.iter().try_for_each(|changed| take(changed.old.clone(), -1))?;
            }
            for delta in &deltas {
                delta.changed.iter().try_for_each(|changed| take(changed.new.clone(), 1))?;
                delta.added.iter().try_for_each(|added| take(added.row.clone(), 1))?;
            }
        }
        Ok(std::mem::take(&mut self.pending))
    }

    /// How many rows are held.
    pub(super) fn held(&self) -> usize {
        if let Rows::Query(query) = &self.rows { query.held() } else { 0 }
    }
}

/// A row, if it satisfies the conditions.
fn matching<'r>(conditions: &[Bound], row: &'r Option<Row>) -> Result<Option<&'r Row>> {
    match row {
        Some(row) if satisfies(conditions, row)? => Ok(Some(row)),
        _ => Ok(None),
    }
}
