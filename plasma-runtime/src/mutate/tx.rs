//! The transaction a mutator is given.

use std::fmt;
use std::marker::PhantomData;

use super::write::{Delete, DeleteWhere, Insert, InsertAll, Statement, Update, UpdateWhere};
use super::{Access, Executor, Insertable, Location, Reason, TxMeta};
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::query::typed::read::{self, Read};
use crate::query::typed::{Filter, ReadsIn};
use crate::schema::{Id, InSchema, Schema, Table};
use crate::value::Timestamp;

/// The transaction of one run of a mutator over the tables of schema `S`.
///
/// A mutator runs at least twice: on the client when it is called, and on the server, where it counts. It may await
/// only its transaction. [`now`](Tx::now) and [`new_id`](Tx::new_id) come from the mutation's envelope, so that every
/// run agrees on them.
///
/// Reads are unfiltered: on the server a mutator sees every row, on the client the rows the client holds. Writes are
/// checked against the caller's policy.
///
/// Statements are futures, and one statement runs at a time. What a statement needs from the transaction itself is
/// asked first: `let now = tx.now(); tx.update(id).set(Todo::at.to(now)).await?`.
pub struct Tx<'t, S> {
    executor: &'t mut dyn Executor,
    meta: &'t TxMeta,
    schema: PhantomData<fn() -> S>,
}

/// The server's way around the caller's policy, from [`Tx::trusted`]. Writes are not checked; ids come from a stream of
/// their own, so that a row written only on the server does not shift the ids of the rows after it.
pub struct Trusted<'t, S> {
    executor: &'t mut dyn Executor,
    meta: &'t TxMeta,
    schema: PhantomData<fn() -> S>,
}

impl<S> fmt::Debug for Tx<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").field("meta", &self.meta).finish_non_exhaustive()
    }
}
impl<S> fmt::Debug for Trusted<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trusted").field("meta", &self.meta).finish_non_exhaustive()
    }
}

impl<'t, S: Schema> Tx<'t, S> {
    /// A transaction over `executor` for the run described by `meta`.
    pub fn new(executor: &'t mut dyn Executor, meta: &'t TxMeta) -> Self {
        Tx { executor, meta, schema: PhantomData }
    }

    /// The row with this id.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when the store fails, [`Internal`](ErrorKind::Internal) when the row is not what
    /// its struct says.
    pub fn get<T: InSchema<S>>(&mut self, id: Id<T>) -> BoxFuture<'_, Result<Option<T>>> {
        self.read(Ok(read::get(id)))
    }

    /// The row with this id, which must exist.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when it does not; else as [`get`](Tx::get).
    pub fn need<T: InSchema<S>>(&mut self, id: Id<T>) -> BoxFuture<'_, Result<T>> {
        self.read(Ok(read::need(id)))
    }

    /// All rows of a query.
    ///
    /// # Errors
    /// [`Validation`](ErrorKind::Validation) when a value in a condition cannot be one of a column,
    /// [`Internal`](ErrorKind::Internal) when a sub-query reads a table outside the schema, else as [`get`](Tx::get).
    pub fn all<Q: ReadsIn<S>>(&mut self, query: Q) -> BoxFuture<'_, Result<Vec<Q::Row>>> {
        self.read(read::all(query))
    }

    /// The first row of a query.
    ///
    /// # Errors
    /// Those of [`all`](Tx::all).
    pub fn first<Q: ReadsIn<S>>(&mut self, query: Q) -> BoxFuture<'_, Result<Option<Q::Row>>> {
        self.read(read::first(query))
    }

    /// The only row of a query.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when there is none, [`Conflict`](ErrorKind::Conflict) when
    /// there are several; else those of [`all`](Tx::all).
    pub fn one<Q: ReadsIn<S>>(&mut self, query: Q) -> BoxFuture<'_, Result<Q::Row>> {
        self.read(read::one(query))
    }

    /// How many rows a query has.
    ///
    /// # Errors
    /// Those of [`all`](Tx::all).
    pub fn count<Q: ReadsIn<S>>(&mut self, query: Q) -> BoxFuture<'_, Result<u64>> {
        self.read(read::count(query))
    }

    /// Whether a query has a row.
    ///
    /// # Errors
    /// Those of [`all`](Tx::all).
    pub fn exists<Q: ReadsIn<S>>(&mut self, query: Q) -> BoxFuture<'_, Result<bool>> {
        self.read(read::exists(query))
    }

    fn read<R: 'static>(&mut self, read: Result<Read<R>>) -> BoxFuture<'_, Result<R>> {
        let read = read.and_then(|read| read.check(&S::DEF).map(|()| read).map_err(defect));
        let executor = &mut *self.executor;
        Box::pin(async move {
            let read = read?;
            let rows = executor.query(read.query()).await?;
            read.finish(rows).map_err(defect)
        })
    }

    /// Inserts a row and returns its id: a `NewTodo`, one with more columns (`.with(..)`, `.with_id(..)`), or a whole
    /// row. Columns that are not named get their default, or NULL.
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
    pub fn update<T: InSchema<S>>(&mut self, id: Id<T>) -> Update<'_, T> {
        Update::new(self.statement(), id)
    }

    /// Changes every row that satisfies the condition; returns how many did.
    pub fn update_where<T: InSchema<S>>(&mut self, condition: impl Into<Filter<T>>) -> UpdateWhere<'_, T> {
        UpdateWhere::new(self.statement(), condition.into())
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

    fn statement(&mut self) -> Statement<'_> {
        Statement { executor: &mut *self.executor, meta: self.meta, access: Access::Checked, schema: S::DEF }
    }

    /// A fresh row id. Every run of the mutation draws the same ids, table by table, in the same order.
    pub fn new_id<T: Table>(&self) -> Id<T> {
        Id::from_uuid(self.meta.next_id(T::NAME, false))
    }

    /// The row id under a label of your choice, the same in every run of the mutation, whatever else is drawn: for code
    /// where a branch could shift the numbering of [`new_id`](Tx::new_id).
    pub fn new_id_for<T: Table>(&self, label: &str) -> Id<T> {
        Id::from_uuid(self.meta.id_for(T::NAME, label))
    }

    /// The time at which the mutation was called, by the client's clock: hours ago after an offline day, and possibly
    /// wrong.
    pub fn now(&self) -> Timestamp {
        self.meta.now()
    }

    /// The server's clock at the canonical run; `None` on the client.
    pub fn received_at(&self) -> Option<Timestamp> {
        self.meta.received_at.map(Timestamp::from_millis)
    }

    /// The client that called the mutation; `None` for a job of the server.
    pub fn client_id(&self) -> Option<&str> {
        self.meta.client_id.as_deref()
    }

    /// The mutation's number at its client; `None` for a job of the server.
    pub fn mutation_id(&self) -> Option<u64> {
        self.meta.mutation_id
    }

    /// Where this run takes place.
    pub fn location(&self) -> Location {
        self.meta.location
    }

    /// Why this run takes place.
    pub fn reason(&self) -> Reason {
        self.meta.reason
    }

    /// Whether this is the canonical run.
    pub fn is_server(&self) -> bool {
        self.meta.location == Location::Server
    }

    /// The way around the caller's policy, on the server only: `if let Some(mut trusted) = tx.trusted() { .. }`.
    pub fn trusted(&mut self) -> Option<Trusted<'_, S>> {
        if !self.is_server() {
            return None;
        }
        Some(Trusted { executor: &mut *self.executor, meta: self.meta, schema: PhantomData })
    }
}

/// An error that every run of the mutation would meet again: a table outside the schema, a row that is not what its
/// struct says. Inside a mutator it is a defect, which ends the mutation, and not a fault of the machine, which would
/// have it tried again for ever.
pub(super) fn defect(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Config | ErrorKind::Storage => Error::internal(error.message().to_owned()).with_source(error),
        _ => error,
    }
}

impl<S: Schema> Trusted<'_, S> {
    /// Inserts a row and returns its id, as [`Tx::insert`].
    pub fn insert<R: Insertable<K>, K>(&mut self, row: R) -> Insert<'_, R::Table>
    where
        R::Table: InSchema<S>,
    {
        Insert::new(self.statement(), row.into_new())
    }

    /// Inserts rows and returns their ids, as [`Tx::insert_all`].
    pub fn insert_all<I, K>(&mut self, rows: I) -> InsertAll<'_, <I::Item as Insertable<K>>::Table>
    where
        I: IntoIterator,
        I::Item: Insertable<K>,
        <I::Item as Insertable<K>>::Table: InSchema<S>,
    {
        InsertAll::new(self.statement(), rows.into_iter().map(Insertable::into_new).collect())
    }

    /// Changes a row, as [`Tx::update`].
    pub fn update<T: InSchema<S>>(&mut self, id: Id<T>) -> Update<'_, T> {
        Update::new(self.statement(), id)
    }

    /// Changes rows, as [`Tx::update_where`].
    pub fn update_where<T: InSchema<S>>(&mut self, condition: impl Into<Filter<T>>) -> UpdateWhere<'_, T> {
        UpdateWhere::new(self.statement(), condition.into())
    }

    /// Deletes a row, as [`Tx::delete`].
    pub fn delete<T: InSchema<S>>(&mut self, id: Id<T>) -> Delete<'_, T> {
        Delete::new(self.statement(), id)
    }

    /// Deletes rows, as [`Tx::delete_where`].
    pub fn delete_where<T: InSchema<S>>(&mut self, condition: impl Into<Filter<T>>) -> DeleteWhere<'_, T> {
        DeleteWhere::new(self.statement(), condition.into())
    }

    /// A fresh row id of the trusted stream.
    pub fn new_id<T: Table>(&self) -> Id<T> {
        Id::from_uuid(self.meta.next_id(T::NAME, true))
    }

    fn statement(&mut self) -> Statement<'_> {
        Statement { executor: &mut *self.executor, meta: self.meta, access: Access::Trusted, schema: S::DEF }
    }
}
