//! How a server is opened.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

#[cfg(feature = "sqlite")]
use super::ImageOptions;
use super::auth::{Authenticate, ErasedAuth, Typed};
use super::backend::{Backend, Blocking, Pooled, PooledOptions};
use super::{Connections, Database, Inner, Server};
use crate::error::Result;
use crate::future::BoxFuture;
use crate::inputs::{Entropy, OsEntropy};
use crate::protocol::Limits;
use crate::schema::Schema;
use crate::server::ddl::hex;
use crate::server::poke::{Hub, PokeBus, Relay};
use crate::server::{
    ClockFn, CompactionOptions, Concurrency, Maintained, Metric, Pushed, ServerEngine, ServerError, ServerOptions,
};
use crate::value::EnvelopeLimits;

/// A server before it is opened. `A` says whether it has an `auth` yet: without one it cannot be opened.
pub struct ServerBuilder<S, A> {
    database: Box<dyn Database>,
    options: ServerOptions,
    auth: A,
    readers: Option<usize>,
    queue: usize,
    wait: Duration,
    bus: Option<Arc<dyn PokeBus>>,
    #[cfg(feature = "sqlite")]
    images: Option<ImageOptions>,
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
pub(in crate::server) fn system_clock() -> i64 {
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
            readers: None,
            queue: 1_024,
            wait: Duration::from_secs(5),
            bus: None,
            #[cfg(feature = "sqlite")]
            images: None,
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
        ServerBuilder {
            auth: WithAuth(Arc::new(Typed(auth, PhantomData::<fn() -> S::Ctx>))),
            database: self.database,
            options: self.options,
            readers: self.readers,
            queue: self.queue,
            wait: self.wait,
            bus: self.bus,
            #[cfg(feature = "sqlite")]
            images: self.images,
            clock: self.clock,
            entropy: self.entropy,
            schema: self.schema,
        }
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

    /// What it accepts in sealed columns: how long a ciphertext may be, and which keys it may name. Whatever a mutation
    /// writes into such a column is held to it; a mutation that does not keep it is rejected with `validation`.
    #[must_use]
    pub fn envelope_limits(mut self, limits: EnvelopeLimits) -> Self {
        self.options.envelope_limits = limits;
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

    /// Hears of every round of upkeep that is over: what expired, how far the change log was compacted. One that fails
    /// goes to `on_error`.
    #[must_use]
    pub fn on_maintained(mut self, hook: impl Fn(&Maintained) + Send + Sync + 'static) -> Self {
        self.options.hooks.on_maintained = Some(Arc::new(hook));
        self
    }

    /// How much of the past the change log keeps: a server compacts it by itself, in small steps between the work of
    /// others. None: only when [`compact_change_log`](Server::compact_change_log) is called.
    #[must_use]
    pub fn compaction(mut self, options: impl Into<Option<CompactionOptions>>) -> Self {
        self.options.compaction = options.into();
        self
    }

    /// Runs the futures of `on_pushed`; without it they are spawned on the current tokio runtime.
    #[must_use]
    pub fn wait_until(mut self, spawn: impl Fn(BoxFuture<'static, ()>) + Send + Sync + 'static) -> Self {
        self.options.hooks.wait_until = Some(Arc::new(spawn));
        self
    }

    /// Pulls that read at once, each on a connection of its own. 4 on SQLite, three quarters of the connections of a pool.
    #[must_use]
    pub fn readers(mut self, readers: usize) -> Self {
        self.readers = Some(readers);
        self
    }

    /// Pushes that may wait for the writer, or for a connection of the pool; more are refused with 503 `overloaded`.
    /// 1,024.
    #[must_use]
    pub fn queue(mut self, pushes: usize) -> Self {
        self.queue = pushes;
        self
    }

    /// How mutations run on Postgres, where those of several clients run at once.
    #[must_use]
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.options.concurrency = concurrency;
        self
    }

    /// How long a push or a pull may wait for a connection of a pool before it is refused with 503 `overloaded`. 5 s.
    #[must_use]
    pub fn wait_for_connection(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// What tells the other server processes of the database that something was committed. On Postgres it is the
    /// database itself unless said otherwise; a database file has none.
    #[must_use]
    pub fn poke_bus(mut self, bus: impl PokeBus) -> Self {
        self.bus = Some(Arc::new(bus));
        self
    }

    /// Offers images: a client's whole first sync as one file, which it copies into its store instead of reading pages.
    /// They are written where a snapshot takes more than one page, for each reader, or once for all when nothing is
    /// hidden from anybody. Off unless asked for.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn images(mut self, images: ImageOptions) -> Self {
        self.images = Some(images);
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
        #[cfg(feature = "sqlite")]
        let images = self.images.map(super::image::Images::new);
        let ServerBuilder { database, options, auth, readers, queue, wait, bus, clock, mut entropy, .. } = self;
        let engine = Arc::new(ServerEngine::new(definition, options)?);
        let connections = Box::new(database).connections()?;
        let bus = bus.or_else(|| match &connections {
            Connections::Pooled(pool) => pool.poke_bus(),
            Connections::Blocking(_) => None,
        });
        let hub = Arc::new(Hub::new(bus.is_some()));
        let mut name = [0u8; 8];
        entropy.fill(&mut name);
        let to = (Arc::clone(&engine), Arc::clone(&clock), Arc::clone(&hub));
        let backend = match connections {
            Connections::Blocking(database) => {
                let most = (readers.unwrap_or(4), queue);
                Backend::Blocking(Blocking::open(database, to.0, to.1, entropy, most, to.2).await?)
            }
            Connections::Pooled(pool) => {
                let options = PooledOptions { readers, queue, wait };
                Backend::Pooled(Pooled::open(pool, to.0, to.1, entropy, options, to.2).await?)
            }
        };
        let relay = bus.map(|bus| Relay::start(Arc::clone(&engine), hub, bus, hex(&name)));
        let held = Arc::new(Semaphore::new(engine.limits().held_pulls.min(Semaphore::MAX_PERMITS)));
        Ok(Server::from_inner(Arc::new(Inner {
            live: Arc::default(),
            #[cfg(feature = "sqlite")]
            images,
            engine,
            backend,
            auth: auth.0,
            clock,
            held,
            looks: Default::default(),
            closing: watch::Sender::new(false),
            _relay: relay,
        })))
    }
}
