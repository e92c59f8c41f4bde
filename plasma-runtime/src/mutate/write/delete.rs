//! Deletes: of one row, and of all that satisfy a condition.

use super::{Returning, Statement, decode, decode_all};
use crate::error::Result;
use crate::future::BoxFuture;
use crate::query::ir;
use crate::query::typed::Filter;
use crate::schema::{Id, Table};

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
    pub(in crate::mutate) fn new(statement: Statement<'t>, id: Id<T>) -> Self {
        Delete { statement, id }
    }

    /// Returns the row as it was.
    pub fn returning(self) -> Returning<Self> {
        Returning(self)
    }
}

impl<'t, T: Table> IntoFuture for Delete<'t, T> {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        let (mut statement, table, id) = (self.statement, T::DEF, self.id.to_string());
        Box::pin(async move { statement.one(ir::Write::Delete { table, id: id.clone() }, table, &id).await })
    }
}

impl<'t, T: Table> IntoFuture for Returning<Delete<'t, T>> {
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        let Delete { mut statement, id } = self.0;
        let (table, id) = (T::DEF, id.to_string());
        Box::pin(async move { decode(statement.row(ir::Write::Delete { table, id: id.clone() }, table, &id).await?) })
    }
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
    pub(in crate::mutate) fn new(statement: Statement<'t>, filter: Filter<T>) -> Self {
        DeleteWhere { statement, filter }
    }

    /// Returns the rows as they were, instead of their number. Rows that a cascade took are not among them.
    pub fn returning(self) -> Returning<Self> {
        Returning(self)
    }

    fn parts(self) -> Result<(Statement<'t>, ir::Write)> {
        let filter = self.statement.condition(self.filter)?;
        Ok((self.statement, ir::Write::DeleteWhere { table: T::DEF, filter }))
    }
}

impl<'t, T: Table> IntoFuture for DeleteWhere<'t, T> {
    type Output = Result<u64>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        let parts = self.parts();
        Box::pin(async move {
            let (statement, write) = parts?;
            statement.executor.write(write, statement.access).await
        })
    }
}

impl<'t, T: Table> IntoFuture for Returning<DeleteWhere<'t, T>> {
    type Output = Result<Vec<T>>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        let parts = self.0.parts();
        Box::pin(async move {
            let (mut statement, write) = parts?;
            decode_all(statement.rows(write).await?)
        })
    }
}
