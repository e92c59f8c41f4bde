//! How requests reach the server: the [`Transport`] trait, credentials, and the two transports of the library.
//!
//! A transport carries bytes. It knows nothing of pushes and pulls, keeps no queue and retries nothing: scheduling and
//! retries belong to the client engine, and the time limit of a request to the run loop.

mod endpoint;
#[cfg(all(feature = "http-client", not(target_family = "wasm")))]
mod gzip;
mod headers;
#[cfg(all(feature = "http-client", not(target_family = "wasm")))]
mod http;
mod in_process;
#[cfg(all(feature = "http-client", not(target_family = "wasm")))]
mod patience;

use crate::client::event::SendFailure;
use crate::future::{BoxFuture, MaybeSend, MaybeSync};
use crate::protocol::{WireRequest, WireResponse};

pub use endpoint::Endpoint;
pub(crate) use endpoint::normal_base_path;
pub use headers::{AuthProvider, Headers};
#[cfg(all(feature = "http-client", not(target_family = "wasm")))]
pub use http::{HttpOptions, HttpTransport};
pub use in_process::InProcess;

/// Carries one request to the server and brings its answer back.
///
/// `request` has no credentials; `headers` are the application's (see [`AuthProvider`]) and are sent as they are. Every
/// answer is passed up whatever its status: whether a 200 with HTML is the protocol's is for the engine to say. Only
/// "there is no answer" is a [`SendFailure`]. The run loop drops the future when the request takes too long, so it must
/// be safe to drop at any await.
pub trait Transport: MaybeSend + MaybeSync + 'static {
    /// Sends the request.
    fn send<'a>(&'a self, request: WireRequest, headers: Headers) -> BoxFuture<'a, Result<WireResponse, SendFailure>>;

    /// Whether it can [`download`](Self::download).
    fn downloads(&self) -> bool {
        false
    }

    /// Sends the request. The body of an answer with status 200 goes to the file `to`, made anew, with flat memory; the
    /// answer comes back without it. Any other answer is as of [`send`](Self::send).
    fn download<'a>(
        &'a self,
        request: WireRequest,
        headers: Headers,
        to: &'a std::path::Path,
    ) -> BoxFuture<'a, Result<WireResponse, SendFailure>> {
        let (_, _, _) = (request, headers, to);
        crate::future::ready(Err(SendFailure::new("this transport carries no files")))
    }
}

impl<T: Transport + ?Sized> Transport for std::sync::Arc<T> {
    fn send<'a>(&'a self, request: WireRequest, headers: Headers) -> BoxFuture<'a, Result<WireResponse, SendFailure>> {
        (**self).send(request, headers)
    }

    fn downloads(&self) -> bool {
        (**self).downloads()
    }

    fn download<'a>(
        &'a self,
        request: WireRequest,
        headers: Headers,
        to: &'a std::path::Path,
    ) -> BoxFuture<'a, Result<WireResponse, SendFailure>> {
        (**self).download(request, headers, to)
    }
}

impl SendFailure {
    /// A failure with this text for people.
    pub fn new(message: impl Into<String>) -> Self {
        SendFailure { message: message.into() }
    }
}

impl std::fmt::Display for SendFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SendFailure {}

#[cfg(test)]
mod tests;
