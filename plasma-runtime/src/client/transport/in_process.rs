//! A transport without a network: the server is in this process.

use std::future::Future;
use std::sync::Arc;

use super::{Headers, Transport};
use crate::client::event::SendFailure;
use crate::future::{BoxFuture, MaybeSend, MaybeSync};
use crate::protocol::{WireRequest, WireResponse};

/// Calls a function for every request: a server engine in this process, a test's fake server, a custom network.
///
/// The function gets the request with the application's headers added to it, as a server would see it.
///
/// ```
/// use plasma_runtime::client::InProcess;
/// use plasma_runtime::protocol::WireResponse;
/// let transport = InProcess::new(|request| async move {
///     assert!(request.path.starts_with("/sync/"));
///     Ok(WireResponse { status: 503, headers: vec![], body: Default::default() })
/// });
/// ```
#[derive(Clone)]
pub struct InProcess(Arc<dyn Answer>);

/// The function behind [`InProcess`], its type forgotten.
trait Answer: MaybeSend + MaybeSync {
    fn answer(&self, request: WireRequest) -> BoxFuture<'static, Result<WireResponse, SendFailure>>;
}

impl<F, Fut> Answer for F
where
    F: Fn(WireRequest) -> Fut + MaybeSend + MaybeSync,
    Fut: Future<Output = Result<WireResponse, SendFailure>> + MaybeSend + 'static,
{
    fn answer(&self, request: WireRequest) -> BoxFuture<'static, Result<WireResponse, SendFailure>> {
        Box::pin(self(request))
    }
}

impl InProcess {
    /// A transport that calls `answer`.
    pub fn new<F, Fut>(answer: F) -> Self
    where
        F: Fn(WireRequest) -> Fut + MaybeSend + MaybeSync + 'static,
        Fut: Future<Output = Result<WireResponse, SendFailure>> + MaybeSend + 'static,
    {
        InProcess(Arc::new(answer))
    }
}

impl Transport for InProcess {
    fn send<'a>(
        &'a self,
        mut request: WireRequest,
        headers: Headers,
    ) -> BoxFuture<'a, Result<WireResponse, SendFailure>> {
        request.headers.extend(headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        self.0.answer(request)
    }
}

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InProcess").finish_non_exhaustive()
    }
}
