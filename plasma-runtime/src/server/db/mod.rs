//! [`ServerDb`]: typed reads and writes of the application's own code on the server.

mod restrict;
#[cfg(all(test, feature = "sqlite"))]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::http::Server;
use super::{ServerEngine, Task};
use crate::error::{Error, Result};
use crate::future::BoxFuture;
use crate::mutate::{ErasedCtx, Tx};
use crate::query::sql::{Sql, SqlRow};
use crate::query::typed::read::{self, Read};
use crate::query::typed::{Page, ReadsIn};
use crate::schema::{Id, InSchema, Schema};
use crate::store::query::run_on;

/// Reads and writes of the application's own code on the server: [`as_ctx`](ServerDb::as_ctx) with a caller's rights,
/// [`trusted`](ServerDb::trusted) with all. Writes go through the writer like everybody's, into the change log, and
/// reach the clients.
pub struct ServerDb<S> {
    server: Server<S>,
}

impl<S> fmt::Debug for ServerDb<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerDb").finish_non_exhaustive()
    }
}

impl<S: Schema> Server<S> {
    /// The database, for the application's own code.
    pub fn db(&self) -> ServerDb<S> {
        ServerDb { server: self.clone() }
    }
}

impl<S: Schema> ServerDb<S> {
    /// With the rights of this caller: reads show what the caller may read (in sub-queries and counts too), writes are
    /// checked as its mutations are.
    pub fn as_ctx(&self, ctx: &S::Ctx) -> Scoped<S>
    where
        S::Ctx: Clone,
    {
        Scoped { server: self.server.clone(), ctx: Some(Arc::new(ctx.clone())) }
    }

    /// All rows of [raw SQL](crate::query::sql), of one moment. It obeys no policy and sees every table of the database.
    ///
    /// ```no_run
    /// # async fn f<S: plasma_runtime::schema::Schema>(db: plasma_runtime::server::ServerDb<S>) -> plasma_runtime::Result<()> {
    /// use plasma_runtime::query::sql::sql;
    /// let busy = db.sql(sql::<(String, i64)>("SELECT owner, count(*) FROM todos GROUP BY owner", ())).await?;
    /// # let _ = busy; Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when a parameter cannot be stored,
    /// [`Internal`](crate::ErrorKind::Internal) when the text is no single statement that only reads,
    /// [`Storage`](crate::ErrorKind::Storage) when the database cannot run it, or its columns are not what the types say,
    /// [`Closed`](crate::ErrorKind::Closed) when the server is closed.
    pub async fn sql<R: SqlRow>(&self, query: Sql<R>) -> Result<Vec<R>> {
        let query = query.bound()?;
        self.server
            .inner
            .backend
            .read(move |db| {
                Box::pin(async move {
                    let rows = db.read(&query.text, &query.params, &query.kinds).await?;
                    query.finish(rows)
                })
            })
            .await?
    }

    /// With all rights.
    pub fn trusted(&self) -> Scoped<S> {
        Scoped { server: self.server.clone(), ctx: None }
    }
}

/// A [`ServerDb`] with the rights of somebody.
pub struct Scoped<S> {
    server: Server<S>,
    ctx: Option<Arc<ErasedCtx>>,
}

impl<S> fmt::Debug for Scoped<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").field("trusted", &self.ctx.is_none()).finish_non_exhaustive()
    }
}

impl<S: Schema> Scoped<S> {
    /// All rows of a query.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) when it reads a table outside the schema,
    /// [`Storage`](crate::ErrorKind::Storage) when the database fails or a row cannot be read,
    /// [`Closed`](crate::ErrorKind::Closed) when the server is closed.
    pub async fn all<Q: ReadsIn<S>>(&self, query: Q) -> Result<Vec<Q::Row>> {
        self.read(read::all(query)?).await
    }

    /// The first row of a query.
    ///
    /// # Errors
    /// Those of [`all`](Self::all).
    pub async fn first<Q: ReadsIn<S>>(&self, query: Q) -> Result<Option<Q::Row>> {
        self.read(read::first(query)?).await
    }

    /// The only row of a query.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) when there is none, [`Conflict`](crate::ErrorKind::Conflict) when
    /// there are several; else those of [`all`](Self::all).
    pub async fn one<Q: ReadsIn<S>>(&self, query: Q) -> Result<Q::Row> {
        self.read(read::one(query)?).await
    }

    /// How many rows a query has.
    ///
    /// # Errors
    /// Those of [`all`](Self::all).
    pub async fn count<Q: ReadsIn<S>>(&self, query: Q) -> Result<u64> {
        self.read(read::count(query)?).await
    }

    /// A page of a query: as many rows as its `limit` says, and the place to give to
    /// [`after`](crate::query::typed::Select::after) for the next page.
    ///
    /// # Errors
    /// Those of [`all`](Self::all), and [`Validation`](crate::ErrorKind::Validation) when the query counts, or its cursor is of another order.
    pub async fn page<Q: ReadsIn<S>>(&self, query: Q) -> Result<Page<Q::Row>> {
        self.read(read::page(query)?).await
    }

    /// Whether a query has a row.
    ///
    /// # Errors
    /// Those of [`all`](Self::all).
    pub async fn exists<Q: ReadsIn<S>>(&self, query: Q) -> Result<bool> {
        self.read(read::exists(query)?).await
    }

    /// The row with this id.
    ///
    /// # Errors
    /// Those of [`all`](Self::all).
    pub async fn get<T: InSchema<S>>(&self, id: Id<T>) -> Result<Option<T>> {
        self.read(read::get(id)).await
    }

    /// The row with this id, which must exist.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) when it does not (or may not be read); else those of
    /// [`all`](Self::all).
    pub async fn need<T: InSchema<S>>(&self, id: Id<T>) -> Result<T> {
        self.read(read::need(id)).await
    }

    async fn read<R: 'static>(&self, read: Read<R>) -> Result<R> {
        read.check(&S::DEF)?;
        let mut query = read.query().clone();
        let inner = &self.server.inner;
        if let Some(ctx) = &self.ctx {
            restrict::to_readable(&mut query, &|table| readable(&inner.engine, &**ctx, table))?;
        }
        let rows = inner.backend.read(move |db| Box::pin(async move { run_on(db, &query).await })).await??;
        read.finish(rows)
    }

    /// Runs statements in one transaction and returns what they returned:
    /// `db.trusted().write(|tx| Box::pin(async move { tx.insert(..).await })).await?`.
    ///
    /// `work` runs again when the database lost the transaction, and it may only await `tx`.
    ///
    /// # Errors
    /// What `work` fails with (nothing of it stays), [`Fault`](crate::ErrorKind::Fault) when the server has too much
    /// to do, [`Closed`](crate::ErrorKind::Closed) when it is closed.
    pub async fn write<R, F>(&self, work: F) -> Result<R>
    where
        R: Send + 'static,
        F: for<'a> Fn(&'a mut Tx<'_, S>) -> BoxFuture<'a, Result<R>> + Send + Sync + 'static,
    {
        let (work, slot) = (Arc::new(work), Arc::new(Mutex::new(None)));
        let returned = Arc::clone(&slot);
        let task = Task {
            ctx: self.ctx.clone(),
            key: None,
            run: Arc::new(move |executor, meta| {
                let (work, slot) = (Arc::clone(&work), Arc::clone(&slot));
                Box::pin(async move {
                    let value = work(&mut Tx::new(executor, meta)).await?;
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                    Ok(())
                })
            }),
        };
        self.server.inner.backend.task(task).await?;
        let value = returned.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| Error::internal("the transaction was committed without a value"))
    }
}

/// The condition for the rows of a table that this caller may read; none when it is all of them.
fn readable(
    engine: &ServerEngine,
    ctx: &ErasedCtx,
    table: &crate::schema::TableDef,
) -> Result<Option<crate::query::ir::Expr>> {
    Ok(engine.rules(ctx, table)?.map(|rules| rules.read))
}
