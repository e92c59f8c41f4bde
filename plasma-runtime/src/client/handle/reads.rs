//! Reading the local rows.

use std::future::Ready;
use std::marker::PhantomData;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::Client;
use crate::client::engine::LocalRun;
use crate::error::{Error, Result};
use crate::future::{BoxFuture, MaybeSend, ready};
use crate::mutate::{Executor, Tx, TxMeta};
use crate::query::typed::read::{self, Read};
use crate::query::typed::{Page, ReadsIn};
use crate::schema::{Id, InSchema, Schema};
use crate::store::SqlConnection;
use crate::store::query::run;

/// Reads see the rows as they are shown: with the effects of pending mutations. On a store file they run on a connection
/// of their own and do not wait while a large pull is applied.
impl<S: Schema> Client<S> {
    // The methods below return boxed futures: of an `async fn`, a bound that does not hold is reported three times.
    async fn run_read<R>(&self, read: Result<Read<R>>) -> Result<R> {
        let read = read?;
        read.check(&S::DEF)?;
        // Not the read itself: a reference to it must not be held over the await, or the future is not `Send`.
        let query = read.query().clone();
        let rows = self.inner.shared.read(|store| run(store, &query)).await?;
        read.finish(rows)
    }

    /// The row with this id.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the store fails or the row cannot be read.
    pub fn get<T: InSchema<S>>(&self, id: Id<T>) -> BoxFuture<'_, Result<Option<T>>> {
        Box::pin(self.run_read(Ok(read::get(id))))
    }

    /// The row with this id, which must exist.
    ///
    /// # Errors
    /// As [`get`](Self::get), and [`NotFound`](crate::ErrorKind::NotFound).
    pub fn need<T: InSchema<S>>(&self, id: Id<T>) -> BoxFuture<'_, Result<T>> {
        Box::pin(self.run_read(Ok(read::need(id))))
    }

    /// All rows of the query.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the store fails or a row cannot be read;
    /// [`Validation`](crate::ErrorKind::Validation) when a condition holds a value that no column can.
    pub fn all<Q: ReadsIn<S>>(&self, query: Q) -> BoxFuture<'_, Result<Vec<Q::Row>>> {
        Box::pin(self.run_read(read::all(query)))
    }

    /// The first row of the query.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn first<Q: ReadsIn<S>>(&self, query: Q) -> BoxFuture<'_, Result<Option<Q::Row>>> {
        Box::pin(self.run_read(read::first(query)))
    }

    /// The only row of the query.
    ///
    /// # Errors
    /// As [`all`](Self::all), and [`NotFound`](crate::ErrorKind::NotFound) when there is none,
    /// [`Conflict`](crate::ErrorKind::Conflict) when there are more.
    pub fn one<Q: ReadsIn<S>>(&self, query: Q) -> BoxFuture<'_, Result<Q::Row>> {
        Box::pin(self.run_read(read::one(query)))
    }

    /// How many rows the query has.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn count<Q: ReadsIn<S>>(&self, query: Q) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.run_read(read::count(query)))
    }

    /// A page of a query: as many rows as its `limit` says, and the place to give to
    /// [`after`](crate::query::typed::Select::after) for the next page.
    ///
    /// # Errors
    /// As [`all`](Self::all), and [`Validation`](crate::ErrorKind::Validation) when the query counts, or its cursor is of another order.
    pub fn page<Q: ReadsIn<S>>(&self, query: Q) -> BoxFuture<'_, Result<Page<Q::Row>>> {
        Box::pin(self.run_read(read::page(query)))
    }

    /// Whether the query has a row.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn exists<Q: ReadsIn<S>>(&self, query: Q) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.run_read(read::exists(query)))
    }

    /// Runs several queries on one and the same state of the store: `client.read(async |tx| { .. }).await`. The function
    /// may only await `tx`.
    ///
    /// # Errors
    /// Those of `f`; [`Internal`](crate::ErrorKind::Internal) when it awaits something else.
    pub async fn read<R>(&self, f: impl AsyncFnOnce(&mut ReadTx<'_, S>) -> Result<R> + MaybeSend) -> Result<R> {
        let snapshot = |store: &mut dyn SqlConnection| {
            // A write-behind transaction that is open is a state of its own.
            let own = !store.in_transaction();
            if own {
                store.batch("BEGIN")?;
            }
            let result = finish(f(&mut ReadTx { store: &mut *store, schema: PhantomData }));
            if own {
                // Nothing was written: the end of the transaction has nothing to lose.
                let ended = store.batch("COMMIT");
                if ended.is_err() && store.in_transaction() {
                    store.batch("ROLLBACK")?;
                }
            }
            result
        };
        self.inner.shared.read(snapshot).await
    }

    /// Writes `local_only` tables, at once and without the server: `client.local(async |tx| { .. }).await`. All of it
    /// happens or nothing. The function may only await `tx`.
    ///
    /// # Errors
    /// Those of `f`, and [`Validation`](crate::ErrorKind::Validation) when it writes a table that syncs: nothing is
    /// written then.
    pub async fn local<R: MaybeSend>(&self, f: impl AsyncFnOnce(&mut Tx<'_, S>) -> Result<R> + MaybeSend) -> Result<R> {
        let shared = &self.inner.shared;
        let work = |core: &mut crate::client::runtime::Core| {
            let mut value = None;
            let slot = &mut value;
            let run = move |executor: &mut dyn Executor, meta: &TxMeta| -> Result<()> {
                *slot = Some(finish(f(&mut Tx::new(executor, meta)))?);
                Ok(())
            };
            shared.step(core, |engine, store, ctx, inputs| {
                let actions = engine.local(store, ctx, boxed(run), inputs)?;
                Ok(((), actions))
            })?;
            value.ok_or_else(|| Error::internal("the local write was not run"))
        };
        shared.turn(work).await
    }
}

/// A function as the engine takes it: run at once, its future is ready.
fn boxed<'r>(run: impl FnOnce(&mut dyn Executor, &TxMeta) -> Result<()> + 'r) -> LocalRun<'r> {
    Box::new(move |executor, meta| ready(run(executor, meta)))
}

/// Polls a future that may only wait for its transaction, whose futures are ready at once.
fn finish<R>(future: impl Future<Output = Result<R>>) -> Result<R> {
    match pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(Error::internal("a function inside a transaction may only await its transaction")),
    }
}

/// One state of the store, to read several times: see [`Client::read`].
pub struct ReadTx<'t, S> {
    store: &'t mut dyn SqlConnection,
    schema: PhantomData<fn() -> S>,
}

impl<S> std::fmt::Debug for ReadTx<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadTx").finish_non_exhaustive()
    }
}

impl<S: Schema> ReadTx<'_, S> {
    fn run<R>(&mut self, read: Result<Read<R>>) -> Result<R> {
        let read = read?;
        read.check(&S::DEF)?;
        let rows = run(self.store, read.query())?;
        read.finish(rows)
    }

    /// The row with this id.
    ///
    /// # Errors
    /// Those of [`Client::get`].
    pub fn get<T: InSchema<S>>(&mut self, id: Id<T>) -> Ready<Result<Option<T>>> {
        std::future::ready(self.run(Ok(read::get(id))))
    }

    /// The row with this id, which must exist.
    ///
    /// # Errors
    /// Those of [`Client::need`].
    pub fn need<T: InSchema<S>>(&mut self, id: Id<T>) -> Ready<Result<T>> {
        std::future::ready(self.run(Ok(read::need(id))))
    }

    /// All rows of the query.
    ///
    /// # Errors
    /// Those of [`Client::all`].
    pub fn all<Q: ReadsIn<S>>(&mut self, query: Q) -> Ready<Result<Vec<Q::Row>>> {
        std::future::ready(self.run(read::all(query)))
    }

    /// The first row of the query.
    ///
    /// # Errors
    /// Those of [`Client::first`].
    pub fn first<Q: ReadsIn<S>>(&mut self, query: Q) -> Ready<Result<Option<Q::Row>>> {
        std::future::ready(self.run(read::first(query)))
    }

    /// The only row of the query.
    ///
    /// # Errors
    /// Those of [`Client::one`].
    pub fn one<Q: ReadsIn<S>>(&mut self, query: Q) -> Ready<Result<Q::Row>> {
        std::future::ready(self.run(read::one(query)))
    }

    /// How many rows the query has.
    ///
    /// # Errors
    /// Those of [`Client::count`].
    pub fn count<Q: ReadsIn<S>>(&mut self, query: Q) -> Ready<Result<u64>> {
        std::future::ready(self.run(read::count(query)))
    }

    /// A page of a query: as many rows as its `limit` says, and the place to give to
    /// [`after`](crate::query::typed::Select::after) for the next page.
    ///
    /// # Errors
    /// As [`Client::all`], and [`Validation`](crate::ErrorKind::Validation) when the query counts, or its cursor is of another order.
    pub fn page<Q: ReadsIn<S>>(&mut self, query: Q) -> Ready<Result<Page<Q::Row>>> {
        std::future::ready(self.run(read::page(query)))
    }

    /// Whether the query has a row.
    ///
    /// # Errors
    /// Those of [`Client::exists`].
    pub fn exists<Q: ReadsIn<S>>(&mut self, query: Q) -> Ready<Result<bool>> {
        std::future::ready(self.run(read::exists(query)))
    }
}
