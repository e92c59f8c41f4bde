//! Pokes over NATS.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, Subscriber};
use futures_core::Stream;
use tokio::sync::{Notify, OnceCell};

use super::{PokeBus, Subscription};
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;

/// How often a connection asks whether the server is still there: a network that drops packets says nothing.
const ASK_EVERY: Duration = Duration::from_secs(15);
/// How long it may take to connect.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// Carries pokes over a subject of a NATS server.
///
/// A lost connection is made anew by itself; what is said meanwhile is lost, and costs latency only. Core NATS is enough:
/// nothing is stored.
///
/// ```no_run
/// # fn f<S: plasma_runtime::schema::Schema, A>(
/// #     builder: plasma_runtime::server::ServerBuilder<S, A>,
/// # ) -> plasma_runtime::Result<plasma_runtime::server::ServerBuilder<S, A>> {
/// use plasma_runtime::server::NatsPokes;
///
/// let builder = builder.poke_bus(NatsPokes::new("nats://127.0.0.1:4222").subject("shop.pokes"));
/// # Ok(builder) }
/// ```
pub struct NatsPokes {
    address: String,
    subject: String,
    publisher: OnceCell<Client>,
}

impl fmt::Debug for NatsPokes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.debug_struct("NatsPokes").field("subject", &self.subject).finish_non_exhaustive()
    }
}

impl NatsPokes {
    /// A bus over the server at this address: `nats://[user:password@]host[:port]`, or `tls://..`; several are parted by
    /// commas. It is not connected to yet.
    pub fn new(address: impl Into<String>) -> Self {
        NatsPokes { address: address.into(), subject: "plasma".to_owned(), publisher: OnceCell::new() }
    }

    /// The subject; `plasma` unless said otherwise. Server processes of one database share it; those of another take
    /// another.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    async fn connect(&self, options: ConnectOptions) -> Result<Client> {
        let addresses: Vec<&str> = self.address.split(',').map(str::trim).collect();
        let options = options.connection_timeout(CONNECT_TIME).ping_interval(ASK_EVERY).name("plasma");
        options.connect(addresses).await.map_err(lost)
    }
}

impl PokeBus for NatsPokes {
    fn publish<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let client = self.publisher.get_or_try_init(|| self.connect(ConnectOptions::new())).await?;
            client.publish(self.subject.clone(), text.to_owned().into()).await.map_err(lost)?;
            client.flush().await.map_err(lost)
        })
    }

    fn subscribe(&self) -> BoxFuture<'_, Result<Box<dyn Subscription>>> {
        Box::pin(async move {
            // The client would subscribe again by itself and say nothing of what it missed: so a connection that is
            // lost ends the subscription, and whoever listens takes another.
            let gone = Arc::new(Notify::new());
            let tell = Arc::clone(&gone);
            let options = ConnectOptions::new().max_reconnects(1).event_callback(move |event| {
                if matches!(event, Event::Disconnected | Event::Closed) {
                    tell.notify_one();
                }
                std::future::ready(())
            });
            let client = self.connect(options).await?;
            let messages = client.subscribe(self.subject.clone()).await.map_err(lost)?;
            // Until the server has it, what is said is not heard.
            client.flush().await.map_err(lost)?;
            Ok(Box::new(Ear { _client: client, messages, gone }) as Box<dyn Subscription>)
        })
    }
}

struct Ear {
    _client: Client,
    messages: Subscriber,
    gone: Arc<Notify>,
}

impl Subscription for Ear {
    fn next(&mut self) -> BoxFuture<'_, Result<String>> {
        Box::pin(async move {
            let message = poll_fn(|cx| Pin::new(&mut self.messages).poll_next(cx));
            let message = tokio::select! {
                message = message => message,
                () = self.gone.notified() => None,
            };
            let message = message.ok_or_else(|| Error::new(ErrorKind::Fault, "the connection to NATS is lost"))?;
            // What is no text is nothing of ours: something happened all the same.
            Ok(String::from_utf8(message.payload.into()).unwrap_or_default())
        })
    }
}

fn lost(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Fault, "NATS does not take pokes").with_source(error)
}
