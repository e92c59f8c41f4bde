//! The statements that write: typed shells that end in an [`ir::Write`].

mod delete;
mod insert;
mod states;
mod update;
mod upsert;

use std::fmt;

pub use delete::{Delete, DeleteWhere};
pub use insert::{Insert, InsertAll};
pub use update::{Update, UpdateWhere, UpdateWhereWithoutSet, UpdateWithoutSet};
pub use upsert::{Upsert, Upserted};

use super::tx::defect;
use super::{Access, Executor, TxMeta, touch};
use crate::error::{Error, Result};
use crate::query::ir;
use crate::query::typed::{ChangeList, Filter, Finished, read};
use crate::schema::{RowReader, SchemaDef, Table, TableDef};
use crate::value::{Row, Value};

/// What a statement runs on.
pub(crate) struct Statement<'t> {
    pub(crate) executor: &'t mut dyn Executor,
    pub(crate) meta: &'t TxMeta,
    pub(crate) access: Access,
    pub(crate) schema: SchemaDef,
}

impl Statement<'_> {
    /// A condition with the time in it, once it names columns that there are, and tables of the schema.
    fn condition<T: Table>(&self, filter: Filter<T>) -> Result<ir::Expr> {
        let mut filter = filter.into_ir()?;
        filter.fill_in_now(self.meta.now());
        read::check_condition(&self.schema, T::DEF, &filter).map_err(defect)?;
        Ok(filter)
    }

    /// The changes of an update with what the table adds to them, once they are within the table's limits.
    fn complete(&self, table: &'static TableDef, changes: ChangeList) -> Result<Finished> {
        let mut changes = changes.finish(table, self.meta.now())?;
        for change in &changes.values {
            if let (Some(column), ir::Expr::Literal(value)) = (table.column(change.column), &change.value) {
                table.within_limits(column, value)?;
            }
        }
        if !changes.is_empty() {
            touch(table, &mut changes.values, self.meta)?;
        }
        Ok(changes)
    }

    /// Runs a write of one row, which must be there.
    async fn one(&mut self, write: ir::Write, table: &TableDef, id: &str) -> Result<()> {
        found(self.executor.write(write, self.access).await? != 0, table, id)
    }

    /// Runs a write and returns its rows.
    async fn rows(&mut self, write: ir::Write) -> Result<Vec<Row>> {
        self.executor.write_returning(write, self.access).await
    }

    /// Runs a write of one row, which must be there, and returns it.
    async fn row(&mut self, write: ir::Write, table: &TableDef, id: &str) -> Result<Row> {
        let row = self.rows(write).await?.pop();
        found(row.is_some(), table, id)?;
        Ok(row.unwrap_or_default())
    }

    /// Runs a write of one row; the row as it is stored, or `known` when that is not asked for.
    async fn put(&mut self, write: ir::Write, known: Row, returning: bool) -> Result<Row> {
        let (table, id) = (write.table(), write.table().row_id(&known).to_owned());
        if returning {
            return self.row(write, table, &id).await;
        }
        self.one(write, table, &id).await?;
        Ok(known)
    }

    /// Reads the rows that satisfy a condition, in order of their ids.
    async fn matching(&mut self, table: &'static TableDef, filter: ir::Expr) -> Result<Vec<Row>> {
        self.executor.query(&ir::Query::all(table).filter(filter)).await
    }
}

/// Executors fail on a missing row themselves; this holds the contract should one only report it.
fn found(found: bool, table: &TableDef, id: &str) -> Result<()> {
    if found { Ok(()) } else { Err(Error::not_found(format!("`{}` has no row with the id {id}", table.name))) }
}

/// The condition for one row.
fn has_id(table: &'static TableDef, id: &str) -> ir::Expr {
    ir::Expr::eq(
        ir::Expr::column(table.name, table.columns[table.id].name),
        ir::Expr::Literal(Value::Text(id.to_owned())),
    )
}

/// A row as its struct.
fn decode<T: Table>(row: Row) -> Result<T> {
    (T::CODEC.decode)(&mut RowReader::new(row)).map_err(defect)
}

fn decode_all<T: Table>(rows: Vec<Row>) -> Result<Vec<T>> {
    rows.into_iter().map(decode).collect()
}

/// A statement that answers with its rows, made by its `returning()`: what is stored after an insert or an update, what
/// was stored before a delete. Awaited, `T` of a statement about one row, else `Vec<T>` in the order of the ids (of
/// `insert_all`, in the order given).
///
/// # Errors
/// Those of the statement.
#[must_use = "a statement does nothing until it is awaited"]
pub struct Returning<W>(W);

impl<W: fmt::Debug> fmt::Debug for Returning<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Returning").field(&self.0).finish()
    }
}

macro_rules! debug {
    ($($name:ident),*) => {$(
        impl<T: Table> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), T::NAME)
            }
        }
    )*};
}
debug!(Insert, InsertAll, Upsert, Update, UpdateWithoutSet, UpdateWhere, UpdateWhereWithoutSet, Delete, DeleteWhere);
