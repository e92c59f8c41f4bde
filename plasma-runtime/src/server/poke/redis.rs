//! Pokes over Redis' publish and subscribe.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, PubSubSink, PubSubStream};
use redis::{Client, ConnectionAddr, Msg, TlsCertificates};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::OnceCell;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::{PokeBus, Subscription};
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;

/// How often a subscription asks whether the server is still there: a network that drops packets says nothing.
const ASK_EVERY: Duration = Duration::from_secs(15);
/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Carries pokes over the publish and subscribe of a Redis server (or one that speaks its protocol).
///
/// A lost connection is made anew by itself; what is said meanwhile is lost, and costs latency only. Nothing is stored in
/// Redis.
///
/// ```no_run
/// # fn f<S: plasma_runtime::schema::Schema, A>(
/// #     builder: plasma_runtime::server::ServerBuilder<S, A>,
/// # ) -> plasma_runtime::Result<plasma_runtime::server::ServerBuilder<S, A>> {
/// use plasma_runtime::server::RedisPokes;
///
/// let builder = builder.poke_bus(RedisPokes::new("redis://127.0.0.1:6379")?.channel("shop"));
/// # Ok(builder) }
/// ```
pub struct RedisPokes {
    client: Client,
    channel: String,
    publisher: OnceCell<ConnectionManager>,
}

impl fmt::Debug for RedisPokes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.debug_struct("RedisPokes").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl RedisPokes {
    /// A bus over the server at this address: `redis://[user:password@]host[:port]`, `rediss://..` for TLS, or
    /// `unix:path`. It is not connected to yet.
    ///
    /// Over TLS the server shows a certificate for its name, which an authority has signed that the machine trusts, or one
    /// of [`root_certificates`](RedisPokes::root_certificates).
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when the text is no address, or says not to check who the server is.
    pub fn new(address: &str) -> Result<Self> {
        let client = Client::open(address)
            .map_err(|e| Error::new(ErrorKind::Config, "the address of Redis cannot be used").with_source(e))?;
        if let ConnectionAddr::TcpTls { insecure, .. } = client.get_connection_info().addr() {
            if *insecure {
                return Err(Error::new(
                    ErrorKind::Config,
                    "TLS to Redis checks who the server is: without `#insecure`",
                ));
            }
            // The Redis client takes that of the process. One that the program has chosen stays.
            if CryptoProvider::get_default().is_none() {
                let _another_was_first = rustls::crypto::ring::default_provider().install_default();
            }
        }
        Ok(RedisPokes { client, channel: "plasma".to_owned(), publisher: OnceCell::new() })
    }

    /// The authorities to trust, in PEM, instead of the machine's: for an address with `rediss://`.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when they cannot be read, or the address is one without TLS.
    pub fn root_certificates(mut self, pem: &[u8]) -> Result<Self> {
        if !CertificateDer::pem_slice_iter(pem).any(|certificate| certificate.is_ok()) {
            return Err(Error::new(ErrorKind::Config, "there is no certificate in PEM to trust Redis by"));
        }
        let trusted = TlsCertificates { client_tls: None, root_cert: Some(pem.to_vec()) };
        self.client = Client::build_with_tls(self.client.get_connection_info().clone(), trusted)
            .map_err(|e| Error::new(ErrorKind::Config, "the certificates for Redis cannot be used").with_source(e))?;
        Ok(self)
    }

    /// The channel; `plasma` unless said otherwise. Server processes of one database share it; those of another take
    /// another.
    #[must_use]
    pub fn channel(mut self, channel: impl Into<String>) -> Self {
        self.channel = channel.into();
        self
    }

    async fn publisher(&self) -> Result<ConnectionManager> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(ANSWER_TIME))
            .set_response_timeout(Some(ANSWER_TIME));
        let manager = self.publisher.get_or_try_init(|| self.client.get_connection_manager_with_config(config)).await;
        manager.cloned().map_err(lost)
    }
}

impl PokeBus for RedisPokes {
    fn publish<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut manager = self.publisher().await?;
            redis::cmd("PUBLISH").arg(&self.channel).arg(text).exec_async(&mut manager).await.map_err(lost)
        })
    }

    fn subscribe(&self) -> BoxFuture<'_, Result<Box<dyn Subscription>>> {
        Box::pin(async move {
            let (mut sink, messages) = self.client.get_async_pubsub().await.map_err(lost)?.split();
            sink.subscribe(&self.channel).await.map_err(lost)?;
            let mut ask = interval(ASK_EVERY);
            ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Ok(Box::new(Ear { sink, messages, ask }) as Box<dyn Subscription>)
        })
    }
}

struct Ear {
    sink: PubSubSink,
    messages: PubSubStream,
    ask: Interval,
}

impl Subscription for Ear {
    fn next(&mut self) -> BoxFuture<'_, Result<String>> {
        Box::pin(async move {
            loop {
                let message = poll_fn(|cx| Pin::new(&mut self.messages).poll_next(cx));
                let message: Option<Msg> = tokio::select! {
                    message = message => message,
                    _ = self.ask.tick() => {
                        let answer = timeout(ANSWER_TIME, self.sink.ping::<redis::Value>()).await;
                        answer.map_err(|_| silent())?.map_err(lost)?;
                        continue;
                    }
                };
                let message = message.ok_or_else(silent)?;
                // What is no text is nothing of ours: something happened all the same.
                return Ok(message.get_payload().unwrap_or_default());
            }
        })
    }
}

fn lost(error: redis::RedisError) -> Error {
    Error::new(ErrorKind::Fault, "Redis does not take pokes").with_source(error)
}

fn silent() -> Error {
    Error::new(ErrorKind::Fault, "the connection to Redis is lost")
}
