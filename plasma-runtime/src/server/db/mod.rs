//! [`ServerDb`]: typed reads and writes of the application's own code on the server.

mod as_of;
mod restrict;
#[cfg(all(test, feature = "sqlite"))]
pub(in crate::server) mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

pub use self::as_of::{AsOf, Moment, Now};
use super::http::Server;
use super::live::LiveSelect;
use super::pull::log;
use super::{ServerEngine, Task};
use crate::error::{Error, Result};
use crate::future::BoxFuture;
use crate::live::Output;
use crate::mutate::{ErasedCtx, Tx};
use crate::protocol::cookie::{Position, Seen};
use crate::query::ir;
use crate::query::sql::{Sql, SqlRow};
use crate::query::typed::read::{self, Read};
use crate::query::typed::{Page, ReadsIn};
use crate::schema::{Id, InSchema, Schema};

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
        Scoped { server: self.server.clone(), ctx: Some(Arc::new(ctx.clone())), moment: Now }
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

    /// A cookie of the present, for [`Scoped::snapshot_as_of`]: everything that is committed when this returns is before
    /// it. Clients have cookies too, and those are as good.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the database fails, [`Closed`](crate::ErrorKind::Closed) when the
    /// server is closed.
    pub async fn cookie(&self) -> Result<String> {
        let engine = Arc::clone(&self.server.inner.engine);
        let head = self.server.inner.backend.read(move |db| {
            Box::pin(async move {
                engine.sequence(db).await?;
                log::head(db).await
            })
        });
        let head = head.await??;
        let seen = Seen { first: head.version, last: head.version, mark: head.mark };
        let position = Position {
            at: head.version,
            mark: head.mark,
            seen,
            schema: Some(S::DEF.fingerprint),
            policies: BTreeMap::new(),
            walk: None,
        };
        position.encode().map_err(|e| Error::internal("a cookie cannot be written").with_source(e))
    }

    /// With all rights.
    pub fn trusted(&self) -> Scoped<S> {
        Scoped { server: self.server.clone(), ctx: None, moment: Now }
    }
}

/// A [`ServerDb`] with the rights of somebody, as of now or of a position of the past ([`Snapshot`]).
pub struct Scoped<S, M = Now> {
    server: Server<S>,
    ctx: Option<Arc<ErasedCtx>>,
    moment: M,
}

/// The rows as they were: what [`Scoped::snapshot_as_of`] gives. It has the reads of [`Scoped`], and nothing that writes.
pub type Snapshot<S> = Scoped<S, AsOf>;

impl<S, M: fmt::Debug> fmt::Debug for Scoped<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trusted = self.ctx.is_none();
        f.debug_struct("Scoped").field("trusted", &trusted).field("moment", &self.moment).finish_non_exhaustive()
    }
}

impl<S: Schema, M: Moment> Scoped<S, M> {
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
        let query = self.readable(read.query())?;
        read.finish(self.moment.run(&self.server.inner, query).await?)
    }

    /// The query, confined to what the caller may read.
    fn readable(&self, query: &ir::Query) -> Result<ir::Query> {
        let mut query = query.clone();
        if let Some(ctx) = &self.ctx {
            restrict::to_readable(&mut query, &|table| readable(&self.server.inner.engine, &**ctx, table))?;
        }
        Ok(query)
    }
}

impl<S: Schema> Scoped<S> {
    /// A query whose result is kept up to date, by the change log: own writes, pushes, writes of other server processes
    /// and raw SQL of other programs are all in it. It returns with the first result.
    ///
    /// With a caller's rights it shows what the caller may read at each step: it follows the tables the policies read,
    /// so a share that is taken back takes its rows away. The rights are those of the context it was opened with.
    ///
    /// One task looks after all live queries of a server. It is woken by pokes and looks by itself every second; it reads
    /// the rows that changed from the log and takes them through the queries they concern, an equal query once for
    /// everybody. A query is run as a whole to begin with, after more than 20,000 entries at once, and if it is of a form
    /// that [`classify`](crate::live::ivm::classify) names. What it holds to follow changes is in memory, and its newest
    /// result once more.
    ///
    /// ```no_run
    /// # use plasma_runtime::query::typed::ReadsIn;
    /// # async fn f<S: plasma_runtime::schema::Schema, Q: ReadsIn<S>>(db: plasma_runtime::server::ServerDb<S>, late: Q)
    /// # -> plasma_runtime::Result<()> where Q::Row: plasma_runtime::live::Output {
    /// let mut open = db.trusted().live_select(late).await?;
    /// println!("{} rows", open.rows().len());
    /// while let Some(step) = open.next().await {
    ///     let step = step?;
    ///     println!("{} came, {} went", step.delta.added.len(), step.delta.removed.len());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`all`](Self::all), and [`Config`](crate::ErrorKind::Config) when it reads a table that is not in the
    /// change log: a `local_only` one of a schema without policies.
    pub async fn live_select<Q: ReadsIn<S>>(&self, query: Q) -> Result<LiveSelect<Q::Row>>
    where
        Q::Row: Output,
    {
        let ir = query.ir()?;
        read::check_tables(&S::DEF, ir)?;
        let ir = self.readable(ir)?;
        as_of::check_logged(&self.server.inner.engine, &ir)?;
        LiveSelect::open(&self.server.inner, ir, query).await
    }

    /// The rows as they were at the position of a cookie: one that a client holds, or one of
    /// [`ServerDb::cookie`](ServerDb::cookie).
    ///
    /// It reaches back as far as the change log does. With a caller's rights it shows what the caller's policies showed
    /// then, with all tables as they were: a row that is no longer shared today is in it when it was shared then.
    ///
    /// Each read is one statement over the rows of today and the images of those that have changed since; it takes the
    /// memory of its result.
    ///
    /// ```no_run
    /// # use plasma_runtime::query::typed::ReadsIn;
    /// # async fn f<S: plasma_runtime::schema::Schema, Q: ReadsIn<S>>(db: plasma_runtime::server::ServerDb<S>, all: Q)
    /// # -> plasma_runtime::Result<()> {
    /// let before = db.cookie().await?;
    /// // .. what happens here ..
    /// let rows = db.trusted().snapshot_as_of(&before).await?.all(all).await?;
    /// # let _ = rows; Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Protocol`](crate::ErrorKind::Protocol) when the text is no cookie,
    /// [`PositionGone`](crate::ErrorKind::PositionGone) when the log was compacted past it or it is one of another
    /// history (its code in `data.reason` is `compacted` or `other-history`); so do the reads, when that happens later.
    pub async fn snapshot_as_of(&self, cookie: &str) -> Result<Snapshot<S>> {
        let moment = AsOf::of(cookie)?;
        self.server.inner.backend.read(move |db| Box::pin(as_of::check(db, moment))).await??;
        Ok(Scoped { server: self.server.clone(), ctx: self.ctx.clone(), moment })
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
