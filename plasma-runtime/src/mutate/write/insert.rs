//! Inserts.

use super::{Returning, Statement, Upsert, decode, decode_all};
use crate::error::Result;
use crate::future::BoxFuture;
use crate::mutate::new_row::NewStates;
use crate::mutate::{Access, New};
use crate::query::ir;
use crate::query::typed::{ChangeList, Changes};
use crate::schema::{Id, Table};
use crate::value::Row;

/// An insert of one row; awaited, the row's id.
///
/// # Errors
/// [`Conflict`](crate::ErrorKind::Conflict) when the id or a unique value exists or a foreign key has no row
/// ([`violation`](crate::Error::violation) says which),
/// [`Validation`](crate::ErrorKind::Validation) when a value cannot be stored,
/// [`Unauthorized`](crate::ErrorKind::Unauthorized) when the policy refuses the row.
#[must_use = "a statement does nothing until it is awaited"]
pub struct Insert<'t, T: Table> {
    pub(super) statement: Statement<'t>,
    pub(super) new: New<T>,
}

impl<'t, T: Table> Insert<'t, T> {
    pub(in crate::mutate) fn new(statement: Statement<'t>, new: New<T>) -> Self {
        Insert { statement, new }
    }

    /// Returns the row as it is stored, defaults filled in, instead of its id.
    pub fn returning(self) -> Returning<Self> {
        Returning(self)
    }

    /// Changes the row that is there already, instead of inserting one: the row with the same id when the new row has one
    /// of your choice (`.with_id(id)`, or a whole row), else the row with the same unique values.
    ///
    /// Expressions in the changes see the row that is there: `Stock::qty.to(..)`.
    /// For the policy it is an update when it meets a row, and an insert when it does not.
    ///
    /// A new row that meets two rows, or one by a key that was not asked about, is refused with `conflict`, as the
    /// insert would be: [`Upsert::by`] names the key.
    pub fn on_conflict_update<C: Changes<T>>(self, changes: C) -> Upsert<'t, T> {
        let mut list = ChangeList::default();
        changes.add_to(&mut list);
        Upsert::new(self, Some(list))
    }

    /// Leaves the row that is there already as it is, instead of failing: whatever it meets, by its id or by a unique
    /// value. [`Upsert::by`] narrows that to one key.
    pub fn on_conflict_ignore(self) -> Upsert<'t, T> {
        Upsert::new(self, None)
    }
}

/// The row an insert stores, its id drawn from the stream of the transaction, and what is still to be done to it.
pub(super) fn complete<T: Table>(statement: &Statement<'_>, new: New<T>) -> Result<(Row, NewStates)> {
    let (meta, trusted) = (statement.meta, statement.access == Access::Trusted);
    new.finish(|| meta.next_id(T::NAME, trusted).to_string(), meta.now())
}

/// [`complete`], and its states.
fn finished<T: Table>(statement: &Statement<'_>, new: New<T>) -> Result<Row> {
    let (mut row, steps) = complete(statement, new)?;
    statement.begin_states(T::DEF, &mut row, &steps)?;
    Ok(row)
}

async fn insert<T: Table>(statement: &mut Statement<'_>, new: New<T>) -> Result<Id<T>> {
    let row = finished(statement, new)?;
    let id = T::DEF.row_id(&row).parse()?;
    statement.executor.write(ir::Write::Insert { table: T::DEF, row }, statement.access).await?;
    Ok(id)
}

async fn insert_returning<T: Table>(statement: &mut Statement<'_>, new: New<T>) -> Result<Row> {
    let row = finished(statement, new)?;
    statement.put(ir::Write::Insert { table: T::DEF, row: row.clone() }, row, true).await
}

impl<'t, T: Table> IntoFuture for Insert<'t, T> {
    type Output = Result<Id<T>>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move { insert(&mut self.statement, self.new).await })
    }
}

impl<'t, T: Table> IntoFuture for Returning<Insert<'t, T>> {
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        let mut insert = self.0;
        Box::pin(async move { decode(insert_returning(&mut insert.statement, insert.new).await?) })
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
    pub(in crate::mutate) fn new(statement: Statement<'t>, rows: Vec<New<T>>) -> Self {
        InsertAll { statement, rows }
    }

    /// Returns the rows as they are stored, in the order given, instead of their ids.
    pub fn returning(self) -> Returning<Self> {
        Returning(self)
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

impl<'t, T: Table> IntoFuture for Returning<InsertAll<'t, T>> {
    type Output = Result<Vec<T>>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        let InsertAll { mut statement, rows } = self.0;
        Box::pin(async move {
            let mut stored = Vec::with_capacity(rows.len());
            for new in rows {
                stored.push(insert_returning(&mut statement, new).await?);
            }
            decode_all(stored)
        })
    }
}
