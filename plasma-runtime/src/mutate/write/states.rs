//! CRDT columns in statements: what is done to them becomes the state that is written.

use super::{Statement, has_id};
use crate::error::Result;
use crate::mutate::{Cell, Step};
use crate::query::ir;
use crate::query::typed::Finished;
use crate::schema::{ColumnDef, TableDef};
use crate::value::{Kind, Row, Value};

impl Statement<'_> {
    /// The changes of one row. One that is not there has no state to change: the executor says of it what it says of every
    /// row that is missing, or that the caller may not know of.
    pub(super) async fn of_row(
        &mut self,
        table: &'static TableDef,
        id: &str,
        changes: Finished,
    ) -> Result<Vec<ir::Change>> {
        if changes.steps.is_empty() {
            return Ok(changes.values);
        }
        match self.matching(table, has_id(table, id)).await?.pop() {
            Some(row) => self.over(table, &row, changes),
            None => Ok(changes.values),
        }
    }

    /// The changes of this row.
    pub(super) fn over(&self, table: &'static TableDef, row: &Row, changes: Finished) -> Result<Vec<ir::Change>> {
        let Finished { mut values, steps } = changes;
        for (column, steps) in steps {
            let state = self.state(table, row, column, &steps)?;
            values.push(ir::Change { column: column.name, value: ir::Expr::Literal(state) });
        }
        Ok(values)
    }

    /// The changes of the rows that satisfy a condition: each has a state of its own.
    pub(super) async fn of_rows(
        &mut self,
        table: &'static TableDef,
        filter: &ir::Expr,
        changes: Finished,
    ) -> Result<Vec<ir::Change>> {
        if changes.steps.is_empty() {
            return Ok(changes.values);
        }
        let Finished { mut values, steps } = changes;
        let rows = self.matching(table, filter.clone()).await?;
        if rows.is_empty() {
            return Ok(values);
        }
        for (column, steps) in steps {
            let mut states = Vec::with_capacity(rows.len());
            for row in &rows {
                states.push((table.row_id(row).to_owned(), self.state(table, row, column, &steps)?));
            }
            values.push(ir::Change { column: column.name, value: ir::Expr::by_id(table, states) });
        }
        Ok(values)
    }

    fn state(&self, table: &'static TableDef, row: &Row, column: &'static ColumnDef, steps: &[Step]) -> Result<Value> {
        let present = table.column_index(column.name).map(|index| &row[index]);
        match Cell::new(self.meta, self.access, table, column, table.row_id(row)) {
            Some(cell) => cell.after(present, steps),
            None => Ok(Value::Null),
        }
    }

    /// Gives a new row its states: those it is given, as the server holds them, and then what is done to them.
    pub(super) fn begin_states(
        &self,
        table: &'static TableDef,
        row: &mut Row,
        steps: &[(&'static ColumnDef, Vec<Step>)],
    ) -> Result<()> {
        let id = table.row_id(row).to_owned();
        for (index, column) in table.columns.iter().enumerate() {
            if !matches!(column.kind, Kind::Crdt(_)) || row[index].is_null() {
                continue;
            }
            let Some(cell) = Cell::new(self.meta, self.access, table, column, &id) else { continue };
            let given = std::mem::replace(&mut row[index], Value::Null);
            let mut all = vec![Step::Given(given)];
            let named = steps.iter().filter(|(named, _)| named.name == column.name);
            all.extend(named.flat_map(|(_, steps)| steps.iter().cloned()));
            row[index] = cell.after(None, &all)?;
        }
        Ok(())
    }
}
