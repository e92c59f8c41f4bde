//! Updates: of one row, and of all that satisfy a condition.
//!
//! What `update(..)` returns has only `set`, and what that returns can be awaited, so that an update without changes
//! does not compile. The first type is named for the compiler's message: it is "not a future".

use super::{Returning, Statement, decode, decode_all, found, has_id};
use crate::error::Result;
use crate::future::BoxFuture;
use crate::query::ir;
use crate::query::typed::{ChangeList, Changes, Filter, Finished};
use crate::schema::{Id, Table};

/// A change of one row, to be [`set`](UpdateWithoutSet::set).
#[must_use = "an update does nothing until it is given changes by `.set(..)` and awaited"]
pub struct UpdateWithoutSet<'t, T> {
    statement: Statement<'t>,
    id: Id<T>,
}

impl<'t, T: Table> UpdateWithoutSet<'t, T> {
    pub(in crate::mutate) fn new(statement: Statement<'t>, id: Id<T>) -> Self {
        UpdateWithoutSet { statement, id }
    }

    /// The changes: one, or a tuple, an `Option`, a list of them. Expressions in them see the row before the update.
    pub fn set<C: Changes<T>>(self, changes: C) -> Update<'t, T> {
        Update { statement: self.statement, id: self.id, changes: ChangeList::default() }.set(changes)
    }
}

/// A change of one row; awaited, nothing.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) when there is no such row, else those of [`Insert`](super::Insert).
#[must_use = "a statement does nothing until it is awaited"]
pub struct Update<'t, T> {
    statement: Statement<'t>,
    id: Id<T>,
    changes: ChangeList,
}

impl<T: Table> Update<'_, T> {
    /// Adds changes. The last value given for a column is stored; operations of a CRDT column are done in their order.
    pub fn set<C: Changes<T>>(mut self, changes: C) -> Self {
        changes.add_to(&mut self.changes);
        self
    }

    /// Returns the row as it is stored afterwards.
    pub fn returning(self) -> Returning<Self> {
        Returning(self)
    }
}

impl<'t, T: Table> IntoFuture for Update<'t, T> {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        let (mut statement, table, id) = (self.statement, T::DEF, self.id.to_string());
        Box::pin(async move {
            let changes = statement.complete(table, self.changes)?;
            if changes.is_empty() {
                // Writes nothing, and says whether it would have.
                let rows = statement.matching(table, has_id(table, &id)).await?;
                return found(!rows.is_empty(), table, &id);
            }
            let changes = statement.of_row(table, &id, changes).await?;
            statement.one(ir::Write::Update { table, id: id.clone(), changes }, table, &id).await
        })
    }
}

impl<'t, T: Table> IntoFuture for Returning<Update<'t, T>> {
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        let Update { mut statement, id, changes } = self.0;
        let (table, id) = (T::DEF, id.to_string());
        Box::pin(async move {
            let changes = statement.complete(table, changes)?;
            let row = if changes.is_empty() {
                let row = statement.matching(table, has_id(table, &id)).await?.pop();
                found(row.is_some(), table, &id)?;
                row.unwrap_or_default()
            } else {
                let changes = statement.of_row(table, &id, changes).await?;
                statement.row(ir::Write::Update { table, id: id.clone(), changes }, table, &id).await?
            };
            decode(row)
        })
    }
}

/// A change of every matching row, to be [`set`](UpdateWhereWithoutSet::set).
#[must_use = "an update does nothing until it is given changes by `.set(..)` and awaited"]
pub struct UpdateWhereWithoutSet<'t, T> {
    statement: Statement<'t>,
    filter: Filter<T>,
}

impl<'t, T: Table> UpdateWhereWithoutSet<'t, T> {
    pub(in crate::mutate) fn new(statement: Statement<'t>, filter: Filter<T>) -> Self {
        UpdateWhereWithoutSet { statement, filter }
    }

    /// The changes: one, or a tuple, an `Option`, a list of them. Expressions in them see the row before the update.
    pub fn set<C: Changes<T>>(self, changes: C) -> UpdateWhere<'t, T> {
        UpdateWhere { statement: self.statement, filter: self.filter, changes: ChangeList::default() }.set(changes)
    }
}

/// A change of every matching row; awaited, how many matched.
///
/// # Errors
/// Those of [`Insert`](super::Insert); one refused row refuses the whole statement.
#[must_use = "a statement does nothing until it is awaited"]
pub struct UpdateWhere<'t, T> {
    statement: Statement<'t>,
    filter: Filter<T>,
    changes: ChangeList,
}

impl<'t, T: Table> UpdateWhere<'t, T> {
    /// Adds changes. The last value given for a column is stored; operations of a CRDT column are done in their order.
    pub fn set<C: Changes<T>>(mut self, changes: C) -> Self {
        changes.add_to(&mut self.changes);
        self
    }

    /// Returns the rows as they are stored afterwards, instead of their number.
    pub fn returning(self) -> Returning<Self> {
        Returning(self)
    }

    fn parts(self) -> Result<(Statement<'t>, ir::Expr, Finished)> {
        let (filter, changes) =
            (self.statement.condition(self.filter)?, self.statement.complete(T::DEF, self.changes)?);
        Ok((self.statement, filter, changes))
    }
}

impl<'t, T: Table> IntoFuture for UpdateWhere<'t, T> {
    type Output = Result<u64>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        let (table, parts) = (T::DEF, self.parts());
        Box::pin(async move {
            let (mut statement, filter, changes) = parts?;
            if changes.is_empty() {
                // Writes nothing, and says how many rows it would have changed.
                return Ok(statement.matching(table, filter).await?.len() as u64);
            }
            let changes = statement.of_rows(table, &filter, changes).await?;
            statement.executor.write(ir::Write::UpdateWhere { table, filter, changes }, statement.access).await
        })
    }
}

impl<'t, T: Table> IntoFuture for Returning<UpdateWhere<'t, T>> {
    type Output = Result<Vec<T>>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        let (table, parts) = (T::DEF, self.0.parts());
        Box::pin(async move {
            let (mut statement, filter, changes) = parts?;
            decode_all(if changes.is_empty() {
                statement.matching(table, filter).await?
            } else {
                let changes = statement.of_rows(table, &filter, changes).await?;
                statement.rows(ir::Write::UpdateWhere { table, filter, changes }).await?
            })
        })
    }
}
