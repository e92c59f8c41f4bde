//! The transaction a mutator is given.

use std::fmt;
use std::marker::PhantomData;

use super::write::Statement;
use super::{Access, Executor, Location, RandomValue, Reason, TxMeta, random};
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::query::sql::{Sql, SqlRow};
use crate::query::typed::read::{self, Read};
use crate::query::typed::{Page, ReadsIn};
use crate::schema::{Id, InSchema, Schema, Table};
use crate::value::Timestamp;

/// Whose rights a transaction writes with: [`OfCaller`] or [`OfServer`].
pub trait Rights: sealed::Sealed + 'static {
    /// What the executor is told.
    #[doc(hidden)]
    const ACCESS: Access;
}

/// The caller's: the policies decide.
#[derive(Debug)]
pub enum OfCaller {}

/// The server's: everything is allowed, and nothing is checked.
#[derive(Debug)]
pub enum OfServer {}

impl Rights for OfCaller {
    const ACCESS: Access = Access::Checked;
}
impl Rights for OfServer {
    const ACCESS: Access = Access::Trusted;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::OfCaller {}
    impl Sealed for super::OfServer {}
}

/// The transaction of one run of a mutator over the tables of schema `S`.
///
/// A mutator runs at least twice: on the client when it is called, and on the server, where it counts. It may await
/// only its transaction. [`now`](Tx::now), [`new_id`](Tx::new_id) and [`random`](Tx::random) come from the mutation's
/// envelope, so that every run agrees on them. What only one side knows ([`received_at`](Tx::received_at),
/// [`is_server`](Tx::is_server), [`reason`](Tx::reason) ..) may be asked, but a run that asks is never checked for drift.
///
/// Reads are unfiltered: on the server a mutator sees every row, on the client the rows the client holds. Writes are
/// checked against the caller's policy.
///
/// Statements are futures, and one statement runs at a time. What a statement needs from the transaction itself is
/// asked first: `let now = tx.now(); tx.update(id).set(Todo::at.to(now)).await?`.
pub struct Tx<'t, S, R = OfCaller> {
    executor: &'t mut dyn Executor,
    meta: &'t TxMeta,
    types: PhantomData<fn() -> (S, R)>,
}

/// The server's way around the caller's policy, from [`Tx::trusted`]: the same statements, unchecked, and
/// [raw SQL](Tx::sql). Ids come from a stream of their own, so that a row written only on the server does not shift the
/// ids of the rows after it.
pub type Trusted<'t, S> = Tx<'t, S, OfServer>;

impl<S, R: Rights> fmt::Debug for Tx<'_, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").field("meta", &self.meta).field("access", &R::ACCESS).finish_non_exhaustive()
    }
}

impl<'t, S: Schema> Tx<'t, S> {
    /// A transaction over `executor` for the run described by `meta`.
    pub fn new(executor: &'t mut dyn Executor, meta: &'t TxMeta) -> Self {
        Tx { executor, meta, types: PhantomData }
    }

    /// The way around the caller's policy, on the server only: `if let Some(mut trusted) = tx.trusted() { .. }`.
    pub fn trusted(&mut self) -> Option<Trusted<'_, S>> {
        // Not by `is_server`, which is noted: what is done with it counts on neither side.
        if self.meta.location != Location::Server {
            return None;
        }
        Some(Tx { executor: &mut *self.executor, meta: self.meta, types: PhantomData })
    }
}

impl<S: Schema> Tx<'_, S, OfServer> {
    /// All rows of [raw SQL](crate::query::sql). It sees every table of the database, and the writes of this
    /// transaction.
    ///
    /// # Errors
    /// [`Validation`](ErrorKind::Validation) when a parameter cannot be stored, [`Internal`](ErrorKind::Internal) when
    /// the text is no single statement that only reads, or its columns are not what the types say.
    pub fn sql<R: SqlRow>(&mut self, query: Sql<R>) -> BoxFuture<'_, Result<Vec<R>>> {
        let executor = &mut *self.executor;
        Box::pin(async move {
            let query = query.bound()?;
            let rows = executor.sql(&query.text, &query.params, &query.kinds).await.map_err(defect)?;
            query.finish(rows).map_err(defect)
        })
    }
}

/// Reads.
impl<S: Schema, A: Rights> Tx<'_, S, A> {
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

    /// A page of a query: as many rows as its `limit` says, and the place to give to
    /// [`after`](crate::query::typed::Select::after) for the next page.
    ///
    /// # Errors
    /// Those of [`all`](Tx::all), and [`Validation`](crate::ErrorKind::Validation) when the query counts, or its cursor is of another order.
    pub fn page<Q: ReadsIn<S>>(&mut self, query: Q) -> BoxFuture<'_, Result<Page<Q::Row>>> {
        self.read(read::page(query))
    }

    /// Whether a query has a row.
    ///
    /// # Errors
    /// Those of [`all`](Tx::all).
    pub fn exists<Q: ReadsIn<S>>(&mut self, query: Q) -> BoxFuture<'_, Result<bool>> {
        self.read(read::exists(query))
    }

    fn read<R: 'static>(&mut self, read: Result<Read<R>>) -> BoxFuture<'_, Result<R>> {
        let read = read.map(|read| read.at(self.meta.now()));
        let read = read.and_then(|read| read.check(&S::DEF).map(|()| read).map_err(defect));
        let executor = &mut *self.executor;
        Box::pin(async move {
            let read = read?;
            let rows = executor.query(read.query()).await?;
            read.finish(rows).map_err(defect)
        })
    }
}

/// What this run is.
impl<S: Schema, A: Rights> Tx<'_, S, A> {
    pub(super) fn statement(&mut self) -> Statement<'_> {
        Statement { executor: &mut *self.executor, meta: self.meta, access: A::ACCESS, schema: S::DEF }
    }

    /// A fresh row id. Every run of the mutation draws the same ids, table by table, in the same order.
    pub fn new_id<T: Table>(&self) -> Id<T> {
        Id::from_uuid(self.meta.next_id(T::NAME, A::ACCESS == Access::Trusted))
    }

    /// The row id under a label of your choice, the same in every run of the mutation, whatever else is drawn: for code
    /// where a branch could shift the numbering of [`new_id`](Tx::new_id).
    pub fn new_id_for<T: Table>(&self, label: &str) -> Id<T> {
        Id::from_uuid(self.meta.id_for(T::NAME, label))
    }

    /// A random value, the same in every run of the mutation: an integer or `[u8; N]` over its whole range, a `bool`, or
    /// an `f64` in `[0, 1)`.
    ///
    /// Values are drawn one after the other from a stream that the mutation's key decides. It is no secret: the client
    /// that called the mutation knows the key, and so what will be drawn. Tokens and passwords are made elsewhere.
    pub fn random<V: RandomValue>(&self) -> V {
        V::draw(&mut |bytes| self.random_bytes(bytes))
    }

    /// A random number below `bound`, each equally likely: `tx.random_below(6) + 1`. Otherwise as
    /// [`random`](Tx::random).
    ///
    /// # Panics
    /// When `bound` is 0: there is no number below it.
    pub fn random_below(&self, bound: u64) -> u64 {
        random::below(bound, &mut |bytes| self.random_bytes(bytes))
    }

    /// Fills `bytes` with random ones, as [`random`](Tx::random) does for an array.
    pub fn random_bytes(&self, bytes: &mut [u8]) {
        self.meta.random(A::ACCESS == Access::Trusted, bytes);
    }

    /// The time at which the mutation was called, by the client's clock: hours ago after an offline day, and possibly
    /// wrong.
    pub fn now(&self) -> Timestamp {
        self.meta.now()
    }

    /// The server's clock at the canonical run; `None` on the client.
    pub fn received_at(&self) -> Option<Timestamp> {
        self.told("received_at", self.meta.received_at);
        self.meta.received_at.map(Timestamp::from_millis)
    }

    /// The client that called the mutation; `None` for a job of the server.
    pub fn client_id(&self) -> Option<&str> {
        self.told("client_id", &self.meta.client_id);
        self.meta.client_id.as_deref()
    }

    /// The mutation's number at its client; `None` for a job of the server.
    pub fn mutation_id(&self) -> Option<u64> {
        self.told("mutation_id", self.meta.mutation_id);
        self.meta.mutation_id
    }

    /// Where this run takes place.
    pub fn location(&self) -> Location {
        self.told("location", self.meta.location);
        self.meta.location
    }

    /// Why this run takes place.
    pub fn reason(&self) -> Reason {
        self.told("reason", self.meta.reason);
        self.meta.reason
    }

    /// Whether this is the canonical run.
    pub fn is_server(&self) -> bool {
        self.location() == Location::Server
    }

    /// Notes an answer that the other side's run may be given differently: the two are not compared then.
    fn told(&self, what: &str, answer: impl fmt::Debug) {
        self.meta.note(|record| record.told(what, &format!("{answer:?}")));
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
