//! The statements that write: typed shells that end in an [`ir::Write`].

use std::fmt;

use super::tx::defect;
use super::{Access, Executor, New, TxMeta, touch};
use crate::error::{Error, Result};
use crate::future::BoxFuture;
use crate::query::ir;
use crate::query::typed::{ChangeList, Changes, Filter, read};
use crate::schema::{Id, SchemaDef, Table, TableDef};
use crate::value::Value;

/// What a statement runs on.
pub(crate) struct Statement<'t> {
    pub(crate) executor: &'t mut dyn Executor,
    pub(crate) meta: &'t TxMeta,
    pub(crate) access: Access,
    pub(crate) schema: SchemaDef,
}

impl Statement<'_> {
    /// Checks that the sub-queries of a condition read tables of the schema.
    fn check(&self, filter: &ir::Expr) -> Result<()> {
        let mut result = Ok(());
        filter.queries(&mut |query| {
            if result.is_ok() {
                result = read::check_tables(&self.schema, query).map_err(defect);
            }
        });
        result
    }

    /// The changes of an update with what the table adds to them, once they are within the table's limits.
    fn complete(&self, table: &TableDef, changes: ChangeList) -> Result<Vec<ir::Change>> {
        let mut changes = changes.finish()?;
        for change in &changes {
            if let (Some(column), ir::Expr::Literal(value)) = (table.column(change.column), &change.value) {
                table.within_limits(column, value)?;
            }
        }
        touch(table, &mut changes, self.meta)?;
        Ok(changes)
    }
}

/// Completes and inserts one row; returns its id.
async fn insert<T: Table>(statement: &mut Statement<'_>, new: New<T>) -> Result<Id<T>> {
    let (meta, trusted) = (statement.meta, statement.access == Access::Trusted);
    let new_id = || meta.next_id(T::NAME, trusted).to_string();
    let row = new.finish(new_id, meta.now())?;
    let id = T::DEF.row_id(&row).parse()?;
    statement.executor.write(ir::Write::Insert { table: T::DEF, row }, statement.access).await?;
    Ok(id)
}

/// An insert of one row; awaited, the row's id.
///
/// # Errors
/// [`Conflict`](crate::ErrorKind::Conflict) when the id or a unique value exists or a foreign key has no row,
/// [`Validation`](crate::ErrorKind::Validation) when a value cannot be stored,
/// [`Unauthorized`](crate::ErrorKind::Unauthorized) when the policy refuses the row.
#[must_use = "a statement does nothing until it is awaited"]
pub struct Insert<'t, T: Table> {
    statement: Statement<'t>,
    new: New<T>,
}

impl<'t, T: Table> Insert<'t, T> {
    pub(super) fn new(statement: Statement<'t>, new: New<T>) -> Self {
        Insert { statement, new }
    }
}

impl<'t, T: Table> IntoFuture for Insert<'t, T> {
    type Output = Result<Id<T>>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move { insert(&mut self.statement, self.new).await })
    }
}

/// An insert of several rows; awaited, their ids in order.
///
/// # Errors
/// Those of [`Insert`], at the first row that has one. The rows before it are part of the transaction; a mutator that
/// returns the error undoes them.
#[must_use = "a statement does nothing until it is awaited"]
pub struct InsertAll<'t, T: Table> {
    statement: Statement<'t>,
    rows: Vec<New<T>>,
}

impl<'t, T: Table> InsertAll<'t, T> {
    pub(super) fn new(statement: Statement<'t>, rows: Vec<New<T>>) -> Self {
        InsertAll { statement, rows }
    }
}

impl<'t, T: Table> IntoFuture for InsertAll<'t, T> {
    type Output = Result<Vec<Id<T>>>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut ids = Vec::with_capacity(self.rows.len());
            for new in self.rows {
                ids.push(insert(&mut self.statement, new).await?);
            }
            Ok(ids)
        })
    }
}

/// A change of one row, to be [`set`](Update::set); awaited, nothing.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) when there is no such row, else those of [`Insert`].
#[must_use = "a statement does nothing until it is awaited"]
pub struct Update<'t, T> {
    statement: Statement<'t>,
    id: Id<T>,
    changes: ChangeList,
}

impl<'t, T: Table> Update<'t, T> {
    pub(super) fn new(statement: Statement<'t>, id: Id<T>) -> Self {
        Update { statement, id, changes: ChangeList::default() }
    }

    /// Adds changes. The last one given for a column is stored.
    pub fn set<C: Changes<T>>(mut self, changes: C) -> Self {
        changes.add_to(&mut self.changes);
        self
    }
}

impl<'t, T: Table> IntoFuture for Update<'t, T> {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(update(self.statement, T::DEF, self.id.to_string(), self.changes))
    }
}

async fn update(statement: Statement<'_>, table: &'static TableDef, id: String, changes: ChangeList) -> Result<()> {
    let changes = statement.complete(table, changes)?;
    let matched = if changes.is_empty() {
        let id_column = ir::Expr::column(table.name, table.columns[table.id].name);
        matching(statement, table, ir::Expr::eq(id_column, ir::Expr::Literal(Value::Text(id.clone())))).await?
    } else {
        statement.executor.write(ir::Write::Update { table, id: id.clone(), changes }, statement.access).await?
    };
    found(matched, table, &id)
}

/// An update without changes writes nothing, and says how many rows it would have changed.
async fn matching(statement: Statement<'_>, table: &'static TableDef, filter: ir::Expr) -> Result<u64> {
    let query = ir::Query { select: ir::Select::Count, ..ir::Query::all(table).filter(filter) };
    let rows = statement.executor.query(&query).await?;
    let count = rows.first().and_then(|row| row.first()).and_then(Value::as_int);
    count
        .and_then(|n| u64::try_from(n).ok())
        .ok_or_else(|| Error::internal(format!("expected a count, found {rows:?}")))
}

/// Executors fail on a missing row themselves; this holds the contract should one only report it.
fn found(matched: u64, table: &TableDef, id: &str) -> Result<()> {
    if matched == 0 {
        return Err(Error::not_found(format!("`{}` has no row with the id {id}", table.name)));
    }
    Ok(())
}

/// A change of every matching row, to be [`set`](UpdateWhere::set); awaited, how many matched.
///
/// # Errors
/// Those of [`Insert`]; one refused row refuses the whole statement.
#[must_use = "a statement does nothing until it is awaited"]
pub struct UpdateWhere<'t, T> {
    statement: Statement<'t>,
    filter: Filter<T>,
    changes: ChangeList,
}

impl<'t, T: Table> UpdateWhere<'t, T> {
    pub(super) fn new(statement: Statement<'t>, filter: Filter<T>) -> Self {
        UpdateWhere { statement, filter, changes: ChangeList::default() }
    }

    /// Adds changes. The last one given for a column is stored.
    pub fn set<C: Changes<T>>(mut self, changes: C) -> Self {
        changes.add_to(&mut self.changes);
        self
    }
}

impl<'t, T: Table> IntoFuture for UpdateWhere<'t, T> {
    type Output = Result<u64>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(update_where(self.statement, T::DEF, self.filter.into_ir(), self.changes))
    }
}

async fn update_where(
    statement: Statement<'_>,
    table: &'static TableDef,
    filter: Result<ir::Expr>,
    changes: ChangeList,
) -> Result<u64> {
    let (filter, changes) = (filter?, statement.complete(table, changes)?);
    statement.check(&filter)?;
    if changes.is_empty() {
        return matching(statement, table, filter).await;
    }
    statement.executor.write(ir::Write::UpdateWhere { table, filter, changes }, statement.access).await
}

/// A delete of one row; awaited, nothing.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) when there is no such row, [`Conflict`](crate::ErrorKind::Conflict) when
/// another row refers to it and may not be left without,
/// [`Unauthorized`](crate::ErrorKind::Unauthorized) when the policy refuses it.
#[must_use = "a statement does nothing until it is awaited"]
pub struct Delete<'t, T> {
    statement: Statement<'t>,
    id: Id<T>,
}

impl<'t, T: Table> Delete<'t, T> {
    pub(super) fn new(statement: Statement<'t>, id: Id<T>) -> Self {
        Delete { statement, id }
    }
}

impl<'t, T: Table> IntoFuture for Delete<'t, T> {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(delete(self.statement, T::DEF, self.id.to_string()))
    }
}

async fn delete(statement: Statement<'_>, table: &'static TableDef, id: String) -> Result<()> {
    let matched = statement.executor.write(ir::Write::Delete { table, id: id.clone() }, statement.access).await?;
    found(matched, table, &id)
}

/// A delete of every matching row; awaited, how many matched.
///
/// # Errors
/// Those of [`Delete`] but `not-found`; one refused row refuses the whole statement.
#[must_use = "a statement does nothing until it is awaited"]
pub struct DeleteWhere<'t, T> {
    statement: Statement<'t>,
    filter: Filter<T>,
}

impl<'t, T: Table> DeleteWhere<'t, T> {
    pub(super) fn new(statement: Statement<'t>, filter: Filter<T>) -> Self {
        DeleteWhere { statement, filter }
    }
}

impl<'t, T: Table> IntoFuture for DeleteWhere<'t, T> {
    type Output = Result<u64>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(delete_where(self.statement, T::DEF, self.filter.into_ir()))
    }
}

async fn delete_where(statement: Statement<'_>, table: &'static TableDef, filter: Result<ir::Expr>) -> Result<u64> {
    let filter = filter?;
    statement.check(&filter)?;
    statement.executor.write(ir::Write::DeleteWhere { table, filter }, statement.access).await
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
debug!(Insert, InsertAll, Update, UpdateWhere, Delete, DeleteWhere);
