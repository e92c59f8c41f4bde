//! How a client is opened.

use std::any::{Any, TypeId};
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::{Client, CtxSource};
use crate::client::engine::{Durability, Engine, EngineOptions, OnMismatch, RetryPolicy};
use crate::client::event::ClientError;
use crate::client::options::ClientStore;
use crate::client::runtime::clock::{Clock, OsEntropy};
use crate::client::runtime::{Hooks, Network, Parts, Shared, SharedEntropy};
use crate::client::transport::{AuthProvider, Endpoint, Transport};
use crate::error::{Error, ErrorKind, Result};
use crate::future::{MaybeSend, MaybeSync};
use crate::inputs::{Entropy, Inputs};
use crate::mutate::ErasedCtx;
use crate::schema::Schema;

/// Everything a client is opened with, from [`Client::builder`]. Only the store is required, and the context when the
/// schema has one.
#[must_use = "nothing happens before `.open().await`"]
pub struct ClientBuilder<S: Schema> {
    store: Box<dyn ClientStore>,
    pub(super) options: EngineOptions,
    server: Option<String>,
    base_path: Option<String>,
    transport: Option<Arc<dyn Transport>>,
    auth: Option<Arc<dyn AuthProvider>>,
    ctx: Option<Arc<dyn CtxSource>>,
    hooks: Hooks,
    request_timeout: Duration,
    offline: bool,
    watch_file: Option<Duration>,
    images: bool,
    clock: Option<Arc<dyn Clock>>,
    entropy: Option<Box<dyn Entropy>>,
    #[cfg(feature = "encryption")]
    pub(super) keyring: Option<Arc<dyn crate::crypto::Keyring>>,
    schema: PhantomData<fn() -> S>,
}

impl<S: Schema> std::fmt::Debug for ClientBuilder<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("server", &self.server)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<S: Schema> ClientBuilder<S> {
    pub(super) fn new(store: Box<dyn ClientStore>) -> Self {
        ClientBuilder {
            store,
            options: EngineOptions::default(),
            server: None,
            base_path: None,
            transport: None,
            auth: None,
            ctx: None,
            hooks: Hooks::default(),
            request_timeout: Duration::from_secs(90),
            offline: false,
            watch_file: Some(Duration::from_millis(500)),
            images: true,
            clock: None,
            entropy: None,
            #[cfg(feature = "encryption")]
            keyring: None,
            schema: PhantomData,
        }
    }

    /// The server's address, such as `https://example.com/sync`; without a path it is `/sync`. Without a server (and
    /// without a [`transport`](Self::transport)) the client is for local use: mutations are kept for a server that
    /// comes later.
    pub fn server(mut self, address: impl Into<String>) -> Self {
        self.server = Some(address.into());
        self
    }

    /// Carries requests otherwise than by HTTP. Needs no address; [`base_path`](Self::base_path) says where the routes
    /// are.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// The path in front of `/push` and `/pull`, for a transport without an address. `/sync`.
    pub fn base_path(mut self, path: impl Into<String>) -> Self {
        self.base_path = Some(path.into());
        self
    }

    /// The credentials of every request: `.auth(|| async { Ok(Headers::bearer(token)) })`. Asked before each request,
    /// and again at once when the server answers 401.
    pub fn auth(mut self, auth: impl AuthProvider) -> Self {
        self.auth = Some(Arc::new(auth));
        self
    }

    /// What the mutators learn about the caller.
    pub fn ctx(mut self, ctx: S::Ctx) -> Self {
        self.ctx = Some(Arc::new(Fixed(Arc::new(ctx))));
        self
    }

    /// A function that makes the context: called when the client opens and whenever the loop is started.
    pub fn ctx_provider<F, Fut>(mut self, provider: F) -> Self
    where
        F: Fn() -> Fut + MaybeSend + MaybeSync + 'static,
        Fut: Future<Output = Result<S::Ctx>> + MaybeSend + 'static,
    {
        self.ctx = Some(Arc::new(Provided::<_, S>(provider, PhantomData)));
        self
    }

    /// The group (the user) the store belongs to. A store of another group is not opened. Without it the group that the
    /// store has is taken; a store without one never syncs.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.options.group = Some(group.into());
        self
    }

    /// When `mutate` returns. [`Durability::Normal`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.options.durability = durability;
        self
    }

    /// Time between two pulls when none is held open. 5 s.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.options.poll_interval_ms = millis(interval);
        self.options.max_poll_interval_ms = self.options.max_poll_interval_ms.max(self.options.poll_interval_ms);
        self
    }

    /// How failed requests are tried again.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.options.retry = policy;
        self
    }

    /// How long the server may hold a pull that has nothing to say, so that changes come at once; zero switches that
    /// off. 25 s, which is the most.
    pub fn long_poll(mut self, hold: Duration) -> Self {
        self.options.long_poll_ms = millis(hold);
        self
    }

    /// Opens in offline mode: see [`Client::set_offline`].
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// What to do when the server has another schema. [`OnMismatch::Stay`].
    pub fn schema_mismatch(mut self, what: OnMismatch) -> Self {
        self.options.on_mismatch = what;
        self
    }

    /// Hears of everything that goes wrong in the background. Called outside of every lock; may use the client.
    pub fn on_error(mut self, hook: impl Fn(&ClientError) + MaybeSend + MaybeSync + 'static) -> Self {
        self.hooks.on_error = Some(Box::new(hook));
        self
    }

    /// Hears that the server has another schema, before [`on_error`](Self::on_error) does: time to ask the user for an
    /// upgrade.
    pub fn on_schema_mismatch(mut self, hook: impl Fn(&ClientError) + MaybeSend + MaybeSync + 'static) -> Self {
        self.hooks.on_schema_mismatch = Some(Box::new(hook));
        self
    }

    /// The longest a request may take, beyond the time it asks the server to hold it. 90 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How often the running loop looks for changes by other processes in a store file; `None` never. 500 ms.
    pub fn watch_file(mut self, interval: Option<Duration>) -> Self {
        self.watch_file = interval;
        self
    }

    /// Whether a first sync may come as one file, where the server offers that and the store is a file. It is, unless
    /// said otherwise.
    pub fn images(mut self, take: bool) -> Self {
        self.images = take;
        self
    }

    /// The engine's settings as a whole, for those that have no method here. Comes first: it replaces what was set.
    pub fn engine_options(mut self, options: EngineOptions) -> Self {
        self.options = options;
        self
    }

    /// The clock and timer. The system's, and tokio's; on wasm there is no default.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// The source of randomness. The operating system's.
    pub fn entropy(mut self, entropy: impl Entropy + 'static) -> Self {
        self.entropy = Some(Box::new(entropy));
        self
    }

    /// Opens the client. The sync loop does not run before [`Client::start`].
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when settings are missing or contradict each other, such as a key that the store is
    /// not encrypted with; [`WrongStore`](ErrorKind::WrongStore) when the store belongs to another group or application;
    /// [`Storage`](ErrorKind::Storage) when it cannot be opened; the context provider's error.
    pub async fn open(self) -> Result<Client<S>> {
        let (network, base_path) = match self.network()? {
            Some((network, base_path)) => (Some(network), Some(base_path)),
            None => (None, None),
        };
        let source = match self.ctx {
            Some(source) => source,
            None if TypeId::of::<S::Ctx>() == TypeId::of::<()>() => Arc::new(Fixed(Arc::new(()))),
            None => {
                return Err(config(format!(
                    "schema `{}` has a context: give it with `.ctx(..)` or `.ctx_provider(..)`",
                    S::DEF.name
                )));
            }
        };
        let clock = match self.clock {
            Some(clock) => clock,
            None => default_clock()?,
        };
        let mut entropy = SharedEntropy::new(self.entropy.unwrap_or_else(|| Box::new(OsEntropy)));
        let ctx = source.get().await?;
        let mut options = self.options;
        options.base_path = base_path;
        let downloads = self.images && network.as_ref().is_some_and(|network| network.transport.downloads());
        options.image = self.store.file().filter(|_| downloads).map(std::path::Path::to_owned);
        let mut store = self.store.open(options.durability)?;
        let durability = options.durability;
        let mut inputs = Inputs { now: clock.now_ms(), entropy: &mut entropy };
        let (engine, actions) = Engine::open(&mut *store.writer, Arc::new(S::definition()), options, &mut inputs)?;
        if let Some(reader) = &mut store.reader {
            engine.lend_key(&mut **reader)?;
        }
        let shared = Shared::new(Parts {
            engine,
            actions,
            watch_file_ms: self.watch_file.filter(|_| store.shared).map(millis),
            writer: store.writer,
            reader: store.reader,
            ctx,
            network,
            hooks: self.hooks,
            clock,
            entropy: Box::new(entropy.clone()),
        });
        let client = Client::new(
            shared,
            source,
            durability,
            entropy,
            #[cfg(feature = "encryption")]
            self.keyring,
        );
        if self.offline {
            client.set_offline(true).await?;
        }
        Ok(client)
    }

    fn network(&self) -> Result<Option<(Network, String)>> {
        let endpoint = self.server.as_deref().map(str::parse::<Endpoint>).transpose()?;
        let base_path = match (&self.base_path, &endpoint) {
            (Some(path), None) => {
                crate::client::transport::normal_base_path(path).map_err(|why| config(format!("`{path}`: {why}")))?
            }
            (Some(_), Some(_)) => {
                return Err(config("the base path is part of the server's address: leave `.base_path(..)` out"));
            }
            (None, Some(endpoint)) => endpoint.base_path().to_owned(),
            (None, None) => Endpoint::DEFAULT_BASE_PATH.to_owned(),
        };
        let transport = match (&self.transport, endpoint) {
            (Some(transport), _) => transport.clone(),
            (None, Some(endpoint)) => http_transport(endpoint)?,
            (None, None) if self.auth.is_some() || self.base_path.is_some() => {
                return Err(config("there is no server to talk to: give its address with `.server(..)`"));
            }
            (None, None) => return Ok(None),
        };
        let network = Network { transport, auth: self.auth.clone(), timeout_ms: millis(self.request_timeout) };
        Ok(Some((network, base_path)))
    }
}

fn config(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Config, message)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(all(feature = "http-client", not(target_family = "wasm")))]
fn http_transport(endpoint: Endpoint) -> Result<Arc<dyn Transport>> {
    Ok(Arc::new(crate::client::transport::HttpTransport::new(endpoint)?))
}

#[cfg(not(all(feature = "http-client", not(target_family = "wasm"))))]
fn http_transport(endpoint: Endpoint) -> Result<Arc<dyn Transport>> {
    Err(config(format!(
        "there is no HTTP in this build to reach {endpoint}: enable `http-client` or give `.transport(..)`"
    )))
}

#[cfg(not(target_family = "wasm"))]
fn default_clock() -> Result<Arc<dyn Clock>> {
    Ok(Arc::new(crate::client::runtime::clock::SystemClock))
}

#[cfg(target_family = "wasm")]
fn default_clock() -> Result<Arc<dyn Clock>> {
    Err(config("there is no clock on this target: give one with `.clock(..)`"))
}

/// A context that stays.
pub(super) struct Fixed(pub(super) Arc<ErasedCtx>);

impl CtxSource for Fixed {
    fn get(&self) -> crate::future::BoxFuture<'_, Result<Arc<ErasedCtx>>> {
        crate::future::ready(Ok(self.0.clone()))
    }

    fn is_fixed(&self) -> bool {
        true
    }
}

/// A context that is made anew.
struct Provided<F, S>(F, PhantomData<fn() -> S>);

impl<F, Fut, S> CtxSource for Provided<F, S>
where
    S: Schema,
    F: Fn() -> Fut + MaybeSend + MaybeSync,
    Fut: Future<Output = Result<S::Ctx>> + MaybeSend + 'static,
{
    fn get(&self) -> crate::future::BoxFuture<'_, Result<Arc<ErasedCtx>>> {
        let made = (self.0)();
        Box::pin(async move { made.await.map(|ctx| Arc::new(ctx) as Arc<dyn Any + Send + Sync>) })
    }

    fn is_fixed(&self) -> bool {
        false
    }
}
