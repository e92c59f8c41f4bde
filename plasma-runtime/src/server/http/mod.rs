//! The server as a program has it: a database at work, and a tower service.

mod accept;
mod auth;
pub(super) mod backend;
mod body;
pub(super) mod builder;
mod database;
#[cfg(feature = "sqlite")]
mod image;
mod looks;
mod pull;
mod service;
#[cfg(all(test, feature = "sqlite"))]
mod tests;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

pub use accept::{ServeOptions, serve};
use auth::ErasedAuth;
pub use auth::{Auth, Authenticate};
pub use body::AnswerBody;
pub use builder::{ServerBuilder, WithAuth};
#[cfg(feature = "postgres")]
pub use database::PostgresDatabase;
#[cfg(feature = "sqlite")]
pub use database::SqliteDatabase;
pub use database::{BlockingDatabase, ConnectionPool, Connections, Database};
#[cfg(feature = "sqlite")]
pub use image::ImageOptions;
pub use service::PlasmaService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use self::backend::Backend;
use super::poke::Relay;
use super::{Access, Caller, ClockFn, Denial, Poke, Refusal, ServerEngine};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{WireRequest, WireResponse};
use crate::schema::{RowWriter, Schema, Table};

/// A server of schema `S`: cheap to clone, all clones are one.
///
/// ```no_run
/// # #[cfg(feature = "sqlite")]
/// # async fn example<App: plasma_runtime::schema::Schema<Ctx = String>>() -> plasma_runtime::Result<()> {
/// use plasma_runtime::Error;
/// use plasma_runtime::server::{Auth, Server, SqliteDatabase};
///
/// async fn authenticate(parts: &http::request::Parts) -> plasma_runtime::Result<Auth<String>> {
///     let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
///     let user = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(Error::unauthorized("no token"))?;
///     Ok(Auth::new(user, user.to_owned()))
/// }
///
/// let server = Server::<App>::builder(SqliteDatabase::file("app.db")).auth(authenticate).open().await?;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8787").await.map_err(Error::fault)?;
/// server.serve(listener, std::future::pending()).await
/// # }
/// ```
pub struct Server<S> {
    pub(super) inner: Arc<Inner>,
    schema: PhantomData<fn() -> S>,
}

impl<S> Clone for Server<S> {
    fn clone(&self) -> Self {
        Server { inner: Arc::clone(&self.inner), schema: PhantomData }
    }
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("backend", &self.inner.backend).finish_non_exhaustive()
    }
}

/// What all clones share. Free of the schema's type.
pub(in crate::server) struct Inner {
    pub(super) engine: Arc<ServerEngine>,
    pub(super) backend: Backend,
    /// Live queries of the application's own code.
    pub(super) live: Arc<super::live::Hub>,
    /// The image lane, when it is offered.
    #[cfg(feature = "sqlite")]
    images: Option<image::Images>,
    auth: Arc<dyn ErasedAuth>,
    pub(super) clock: ClockFn,
    /// Long polls that may still be held.
    held: Arc<Semaphore>,
    /// What they see together.
    looks: looks::Looks,
    /// True once the server shuts down: held long polls are answered.
    closing: watch::Sender<bool>,
    /// Pokes from and to the other processes, as long as the server lives.
    _relay: Option<Relay>,
}

impl<S: Schema> Server<S> {
    /// Starts describing a server on this database. `auth` must be given before it can be opened.
    pub fn builder(database: impl Database) -> ServerBuilder<S, ()> {
        ServerBuilder::new(Box::new(database))
    }
}

impl<S> Server<S> {
    pub(super) fn from_inner(inner: Arc<Inner>) -> Self {
        Server { inner, schema: PhantomData }
    }

    /// The server as a tower service: push, pull and health in one. Mount it with axum's `nest_service`, under the base
    /// path of the server.
    pub fn service(&self) -> PlasmaService {
        PlasmaService::new(Arc::clone(&self.inner))
    }

    /// Answers one request without a network: what an in-process transport calls.
    pub async fn respond(&self, request: WireRequest) -> WireResponse {
        service::respond_wire(&self.inner, request).await
    }

    /// A transport for clients in the same process.
    #[cfg(feature = "client")]
    pub fn transport(&self) -> crate::client::InProcess {
        let inner = Arc::clone(&self.inner);
        crate::client::InProcess::new(move |request| {
            let inner = Arc::clone(&inner);
            async move { Ok(service::respond_wire(&inner, request).await) }
        })
    }

    /// Serves until `shutdown` is ready; then held long polls are answered, open requests are finished, and the
    /// listener is closed.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) never comes from a single connection: only when the listener is beyond
    /// use.
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) -> Result<()> {
        serve(self.service(), listener, self.serve_options(), shutdown).await
    }

    /// The settings of the accept loop by this server's limits. For programs that mount the service in a router of
    /// their own and call [`serve`] with that.
    pub fn serve_options(&self) -> ServeOptions {
        let limits = self.inner.engine.limits();
        let inner = Arc::clone(&self.inner);
        ServeOptions {
            header_timeout: limits.header_timeout,
            connections: limits.connections,
            on_shutdown: Some(Arc::new(move || inner.begin_shutdown())),
            ..ServeOptions::default()
        }
    }

    /// Answers held long polls at once, from now on. Pushes and pulls are still served.
    pub fn begin_shutdown(&self) {
        self.inner.begin_shutdown();
    }

    /// Ends the server's work: held long polls are answered, what was taken is done, and everything that comes later is
    /// answered with 503.
    pub fn close(&self) {
        self.inner.begin_shutdown();
        self.inner.backend.close();
    }

    /// The commits as they happen: of this process, and of the others as far as its database or its
    /// [`PokeBus`](super::PokeBus) tells of them.
    pub fn pokes(&self) -> watch::Receiver<Poke> {
        self.inner.backend.pokes()
    }

    /// Compacts the change log now, beside the policy that does so by itself: see
    /// [`CompactionOptions`](super::CompactionOptions) for what stays. It works in small steps between the commits of
    /// others, and may be called while the server is busy.
    ///
    /// ```no_run
    /// # #[cfg(feature = "sqlite")]
    /// # async fn example<App>(server: plasma_runtime::server::Server<App>) -> plasma_runtime::Result<()> {
    /// use plasma_runtime::server::CompactionOptions;
    ///
    /// let done = server.compact_change_log(CompactionOptions::default().keep_ms(3_600_000)).await?;
    /// println!("{} of {} entries went; clients before {} are told anew", done.removed, done.scanned, done.bound);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the database fails, [`Closed`](crate::ErrorKind::Closed) when the
    /// server is closed before the end. What was done stays done, and the next compaction goes on from there.
    pub async fn compact_change_log(&self, options: super::CompactionOptions) -> Result<super::CompactionResult> {
        self.inner.backend.compact(options).await
    }

    /// Why a caller with this context may not do something with a row; none when it may. The row is judged as it is given
    /// and need not be stored: an update has to be allowed for the row before it and for the row after it.
    ///
    /// For developers and operators: what is returned holds values of the row and the context.
    ///
    /// ```no_run
    /// # use plasma_runtime::{Error, Result, schema::{Schema, Table}, server::{Access, Server}};
    /// # async fn example<App: Schema<Ctx = String>, Todo: Table>(server: Server<App>, todo: Todo) -> Result<()> {
    /// if let Some(denial) = server.why_denied(&"alice".to_owned(), Access::Update, todo).await? {
    ///     println!("{denial}");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) when the schema has no such table; what the application's policy fails with;
    /// those of the database.
    pub async fn why_denied<T: Table>(&self, ctx: &S::Ctx, access: Access, row: T) -> Result<Option<Denial>>
    where
        S: Schema,
    {
        let engine = self.engine();
        let table = T::DEF;
        if engine.definition().schema.table(table.name).is_none() {
            return Err(Error::new(ErrorKind::Config, format!("the schema has no table `{}`", table.name)));
        }
        let Some(rules) = engine.rules(ctx, table)? else { return Ok(None) };
        let rule = match access {
            Access::Read => rules.read,
            Access::Insert => rules.insert,
            Access::Update => rules.update,
            Access::Delete => rules.delete,
        };
        let mut writer = RowWriter::default();
        (T::CODEC.encode)(row, &mut writer);
        let row = writer.finish()?;
        let id = table.row_id(&row).to_owned();
        let read = self
            .inner
            .backend
            .read(move |db| Box::pin(async move { super::pull::denied(db, &rule, table, &row).await }));
        let reasons = read.await??;
        Ok((!reasons.is_empty()).then_some(Denial { table: table.name, row: id, access, reasons }))
    }

    /// The engine behind it.
    pub fn engine(&self) -> &Arc<ServerEngine> {
        &self.inner.engine
    }
}

impl Inner {
    fn begin_shutdown(&self) {
        self.closing.send_replace(true);
    }

    /// A refusal with its cause for `on_error`.
    pub(super) fn fail(&self, caller: Option<&Caller>, refusal: Refusal, error: crate::Error) -> Refusal {
        let mut report = super::ServerError::new(super::ServerErrorKind::Internal, error);
        report.group = caller.map(|caller| caller.group.clone());
        self.engine.options().hooks.report(&report);
        refusal
    }
}
