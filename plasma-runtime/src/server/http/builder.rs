//! How a server is opened.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use super::auth::{Authenticate, ErasedAuth, Typed};
use super::{Database, Inner, Readers, Server};
use crate::error::{Error, Result};
use crate::future::{BoxFuture, poll_once};
use crate::inputs::{Entropy, OsEntropy};
use crate::protocol::Limits;
use crate::schema::Schema;
use crate::server::{ClockFn, Metric, Pushed, ServerEngine, ServerError, ServerOptions, Writer};

/// A server before it is opened. `A` says whether it has an `auth` yet: without one it cannot be opened.
pub struct ServerBuilder<S, A> {
    database: Box<dyn Database>,
    options: ServerOptions,
    auth: A,
    readers: usize,
    queue: usize,
    clock: ClockFn,
    entropy: Box<dyn Entropy>,
    schema: PhantomData<fn() -> S>,
}

impl<S, A> fmt::Debug for ServerBuilder<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}

/// An `auth`, given.
pub struct WithAuth(Arc<dyn ErasedAuth>);

impl fmt::Debug for WithAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WithAuth")
    }
}

/// The system's clock.
#[expect(clippy::disallowed_methods, reason = "this is the adapter that reads the clock")]
fn system_clock() -> i64 {
    match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

impl<S: Schema> ServerBuilder<S, ()> {
    pub(super) fn new(database: Box<dyn Database>) -> Self {
        ServerBuilder {
            database,
            options: ServerOptions::default(),
            auth: (),
            readers: 4,
            queue: 1_024,
            clock: Arc::new(system_clock),
            entropy: Box::new(OsEntropy),
            schema: PhantomData,
        }
    }

    /// Decides who asks: an `async fn(&http::request::Parts) -> plasma::Result<Auth<Ctx>>`. Every request but
    /// `GET /health` passes it first; an error of kind `Unauthorized` is answered with 401.
    pub fn auth<F>(self, auth: F) -> ServerBuilder<S, WithAuth>
    where
        F: for<'p> Authenticate<'p, S::Ctx> + 'static,
    {
        let ServerBuilder { database, options, auth: (), readers, queue, clock, entropy, schema } = self;
        let auth = WithAuth(Arc::new(Typed(auth, PhantomData::<fn() -> S::Ctx>)));
        ServerBuilder { database, options, auth, readers, queue, clock, entropy, schema }
    }
}

impl<S, A> ServerBuilder<S, A> {
    /// Where the routes live; `/sync` unless said otherwise. Paths match byte for byte.
    #[must_use]
    pub fn base_path(mut self, path: impl Into<String>) -> Self {
        self.options.base_path = path.into();
        self
    }

    /// What the server accepts.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// All settings of the engine at once; hooks that were set before are replaced by those of the options.
    #[must_use]
    pub fn options(mut self, options: ServerOptions) -> Self {
        self.options = options;
        self
    }

    /// Hears of every committed push, outside the writer. An error goes to `on_error`.
    #[must_use]
    pub fn on_pushed<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Pushed) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.options.hooks.on_pushed =
            Some(Arc::new(move |pushed| -> BoxFuture<'static, Result<()>> { Box::pin(hook(pushed)) }));
        self
    }

    /// Hears of every error, with all the detail that does not go over the wire.
    #[must_use]
    pub fn on_error(mut self, hook: impl Fn(&ServerError) + Send + Sync + 'static) -> Self {
        self.options.hooks.on_error = Some(Arc::new(hook));
        self
    }

    /// Hears of every answered request.
    #[must_use]
    pub fn on_metric(mut self, hook: impl Fn(&Metric) + Send + Sync + 'static) -> Self {
        self.options.hooks.on_metric = Some(Arc::new(hook));
        self
    }

    /// Runs the futures of `on_pushed`; without it they are spawned on the current tokio runtime.
    #[must_use]
    pub fn wait_until(mut self, spawn: impl Fn(BoxFuture<'static, ()>) + Send + Sync + 'static) -> Self {
        self.options.hooks.wait_until = Some(Arc::new(spawn));
        self
    }

    /// Pulls that read at once, each on a connection of its own. 4.
    #[must_use]
    pub fn readers(mut self, readers: usize) -> Self {
        self.readers = readers;
        self
    }

    /// Pushes that may wait for the writer; more are refused with 503 `overloaded`. 1,024.
    #[must_use]
    pub fn queue(mut self, pushes: usize) -> Self {
        self.queue = pushes;
        self
    }

    /// Another clock than the system's: milliseconds since 1970.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Another source of randomness than the operating system's.
    #[must_use]
    pub fn entropy(mut self, entropy: impl Entropy + 'static) -> Self {
        self.entropy = Box::new(entropy);
        self
    }
}

impl<S: Schema> ServerBuilder<S, WithAuth> {
    /// Opens the database, makes its schema where it is missing, and starts the writer.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) when the settings contradict each other,
    /// [`SchemaMismatch`](crate::ErrorKind::SchemaMismatch) when the database was made for another schema,
    /// [`Storage`](crate::ErrorKind::Storage) when it cannot be opened.
    pub async fn open(self) -> Result<Server<S>> {
        let definition = S::definition();
        let ServerBuilder { database, options, auth, readers, queue, clock, mut entropy, schema: _ } = self;
        let engine = Arc::new(ServerEngine::new(definition, options)?);
        let at = Arc::clone(&engine);
        let now = clock();
        let opening = tokio::task::spawn_blocking(move || -> Result<_> {
            let mut db = database.writer()?;
            let made = poll_once(Box::pin(at.ensure_schema(&mut *db, now, &mut *entropy)));
            made.ok_or_else(|| Error::internal("the database's futures are not ready at once"))??;
            Ok((database, db, entropy))
        });
        let (database, db, entropy) =
            opening.await.map_err(|e| Error::internal("opening the database panicked").with_source(e))??;
        let writer = Arc::new(Writer::start(Arc::clone(&engine), db, Arc::clone(&clock), entropy, queue)?);
        let held = Arc::new(Semaphore::new(engine.limits().held_pulls.min(Semaphore::MAX_PERMITS)));
        Ok(Server::from_inner(Arc::new(Inner {
            readers: Readers::new(database, Arc::clone(&writer), readers),
            engine,
            writer,
            auth: auth.0,
            clock,
            held,
            closing: watch::Sender::new(false),
        })))
    }
}
