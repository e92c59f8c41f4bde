//! The statements a transaction writes with.

use super::write::{Delete, DeleteWhere, Insert, InsertAll, UpdateWhereWithoutSet, UpdateWithoutSet};
use super::{Insertable, Rights, Tx};
use crate::query::typed::Filter;
use crate::schema::{Id, InSchema, Schema};

/// Writes. Each is a statement that does nothing until it is awaited; `.returning()` makes it answer with its rows.
impl<S: Schema, A: Rights> Tx<'_, S, A> {
    /// Inserts a row and returns its id: a `NewTodo`, one with more columns (`.with(..)`, `.with_id(..)`), or a whole
    /// row. Columns that are not named get their default, or NULL.
    ///
    /// `.on_conflict_update(changes)` and `.on_conflict_ignore()` say what becomes of a row that is there already.
    pub fn insert<R: Insertable<K>, K>(&mut self, row: R) -> Insert<'_, R::Table>
    where
        R::Table: InSchema<S>,
    {
        Insert::new(self.statement(), row.into_new())
    }

    /// Inserts rows, one after the other, and returns their ids.
    pub fn insert_all<I, K>(&mut self, rows: I) -> InsertAll<'_, <I::Item as Insertable<K>>::Table>
    where
        I: IntoIterator,
        I::Item: Insertable<K>,
        <I::Item as Insertable<K>>::Table: InSchema<S>,
    {
        InsertAll::new(self.statement(), rows.into_iter().map(Insertable::into_new).collect())
    }

    /// Changes the row with this id: `tx.update(id).set(Todo::done.to(true)).await?`. Fails with `not-found` when
    /// there is none.
    pub fn update<T: InSchema<S>>(&mut self, id: Id<T>) -> UpdateWithoutSet<'_, T> {
        UpdateWithoutSet::new(self.statement(), id)
    }

    /// Changes every row that satisfies the condition; returns how many did.
    pub fn update_where<T: InSchema<S>>(&mut self, condition: impl Into<Filter<T>>) -> UpdateWhereWithoutSet<'_, T> {
        UpdateWhereWithoutSet::new(self.statement(), condition.into())
    }

    /// Deletes the row with this id. Fails with `not-found` when there is none.
    pub fn delete<T: InSchema<S>>(&mut self, id: Id<T>) -> Delete<'_, T> {
        Delete::new(self.statement(), id)
    }

    /// Deletes every row that satisfies the condition; returns how many did. Rows deleted by `on_delete = cascade` are
    /// not counted.
    pub fn delete_where<T: InSchema<S>>(&mut self, condition: impl Into<Filter<T>>) -> DeleteWhere<'_, T> {
        DeleteWhere::new(self.statement(), condition.into())
    }
}
