//! The accept loop: HTTP/1 on hyper, with a bound on what a client may take its time for.
//!
//! `axum::serve` sets no header timer. This loop does, bounds the connections, and ends gracefully.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_service::Service;

use crate::error::Result;

/// After an accept that failed (no file descriptors left) the loop rests this long.
const REST: Duration = Duration::from_millis(100);

/// Settings of [`serve`].
#[derive(Clone)]
#[non_exhaustive]
pub struct ServeOptions {
    /// How long a client may take to send its headers, and how long an idle connection stays open. 10 s.
    pub header_timeout: Duration,
    /// Connections at once; more wait in the operating system's queue. 10,000.
    pub connections: usize,
    /// How long open requests may take once the shutdown has begun. 10 s.
    pub drain: Duration,
    /// Called when the shutdown begins: to answer what is held.
    pub on_shutdown: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        ServeOptions {
            header_timeout: Duration::from_secs(10),
            connections: 10_000,
            drain: Duration::from_secs(10),
            on_shutdown: None,
        }
    }
}

impl fmt::Debug for ServeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeOptions")
            .field("header_timeout", &self.header_timeout)
            .field("connections", &self.connections)
            .field("drain", &self.drain)
            .finish_non_exhaustive()
    }
}

/// Serves a tower service (the server's own, or a router that holds it) until `shutdown` is ready; then calls
/// [`ServeOptions::on_shutdown`], finishes open requests, and returns.
///
/// Must be called inside a tokio runtime with time and network.
///
/// # Errors
/// None today: what concerns one connection ends that connection, and an accept that fails is tried again.
#[expect(clippy::disallowed_methods, reason = "this is the adapter that spawns and waits")]
pub async fn serve<T, B>(
    service: T,
    listener: TcpListener,
    options: ServeOptions,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<()>
where
    T: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    T::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(options.connections.clamp(1, Semaphore::MAX_PERMITS)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(options.header_timeout);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepting = async {
            // The place first: at the cap nothing is accepted, so that nothing has to be thrown out.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accepting => accepted,
        };
        let (Ok(place), Ok((stream, peer))) = (place, accepted) else {
            // One connection that failed in the queue, or no file descriptors: neither ends the server.
            tokio::time::sleep(REST).await;
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "TCP_NODELAY cannot be set");
        }
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service.clone()));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "a connection ended with an error");
            }
            drop(place);
        });
    }
    drop(listener);
    if let Some(on_shutdown) = &options.on_shutdown {
        on_shutdown();
    }
    if tokio::time::timeout(options.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("open connections were cut at shutdown");
    }
    Ok(())
}
