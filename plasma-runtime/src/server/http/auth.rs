//! Who asks: the application's `auth`, its types forgotten.

use std::future::Future;
use std::sync::Arc;

use http::request::Parts;

use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::server::Caller;

/// What the application's `auth` makes of a request.
#[derive(Debug, Clone)]
pub struct Auth<C> {
    /// The principal's client group: all installations of one principal share it. Usually the user's id.
    pub group: String,
    /// What mutators and policies learn about the caller.
    pub ctx: C,
}

impl<C> Auth<C> {
    /// A caller of this group with this context.
    pub fn new(group: impl Into<String>, ctx: C) -> Self {
        Auth { group: group.into(), ctx }
    }
}

/// An `async fn(&http::request::Parts) -> plasma::Result<Auth<C>>`.
///
/// An error of kind [`Unauthorized`](ErrorKind::Unauthorized) is answered with 401. Every other error is taken for a
/// fault of the server, answered with 503 and told to `on_error`: a token service that is down is no wrong password.
pub trait Authenticate<'p, C>: Send + Sync {
    /// The future of one call.
    type Future: Future<Output = Result<Auth<C>>> + Send + 'p;
    /// Looks at a request.
    fn authenticate(&self, parts: &'p Parts) -> Self::Future;
}

impl<'p, C, F, Fut> Authenticate<'p, C> for F
where
    F: Fn(&'p Parts) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Auth<C>>> + Send + 'p,
{
    type Future = Fut;
    fn authenticate(&self, parts: &'p Parts) -> Fut {
        self(parts)
    }
}

/// [`Authenticate`] without the type of the context.
pub(super) trait ErasedAuth: Send + Sync {
    fn caller<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Caller>>;
}

/// The application's function with the context's type, for [`ErasedAuth`].
pub(super) struct Typed<F, C>(pub(super) F, pub(super) std::marker::PhantomData<fn() -> C>);

impl<F, C> ErasedAuth for Typed<F, C>
where
    F: for<'p> Authenticate<'p, C>,
    C: Send + Sync + 'static,
{
    fn caller<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Caller>> {
        let asked = self.0.authenticate(parts);
        Box::pin(async move {
            let Auth { group, ctx } = asked.await?;
            if group.is_empty() || group.len() > 256 || group.starts_with("_plasma") || group.contains(char::is_control)
            {
                return Err(Error::new(
                    ErrorKind::Config,
                    "`auth` gave a client group that is empty, longer than 256 bytes, not printable, or reserved",
                ));
            }
            Ok(Caller { group, ctx: Arc::new(ctx) })
        })
    }
}
