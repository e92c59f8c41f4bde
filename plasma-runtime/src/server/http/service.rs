//! The tower service: requests of the `http` crate in, answers out.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::OriginalUri;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use tokio::time::timeout;
use tower_service::Service;

use super::Inner;
use super::body::AnswerBody;
use super::pull::too_long;
use crate::error::ErrorKind;
use crate::future::BoxFuture;
use crate::protocol::{Method, MutationResult, MutationStatus, PushResponse, WireRequest, WireResponse};
use crate::server::handler::check::{self, Coding, Route};
use crate::server::handler::{HEALTH, respond};
use crate::server::hooks::{Metric, Pushed, ServerError, ServerErrorKind};
use crate::server::{Caller, PushJob, Refusal};

/// Bodies longer than this are compressed on a thread that may block, bytes.
const BLOCKING_FROM: usize = 64 << 10;

/// The server as a tower service. Cheap to clone.
#[derive(Clone)]
pub struct PlasmaService(Arc<Inner>);

impl PlasmaService {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        PlasmaService(inner)
    }
}

impl fmt::Debug for PlasmaService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlasmaService").finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for PlasmaService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            #[cfg(feature = "sqlite")]
            if let Some((parts, query)) = image_request(&inner, &request) {
                return Ok(measured_image(&inner, &parts, &query).await);
            }
            Ok(into_http(answer(&inner, request).await))
        })
    }
}

/// Answers a request that came without a network.
pub(super) async fn respond_wire(inner: &Arc<Inner>, request: WireRequest) -> WireResponse {
    match from_wire(request) {
        Ok(request) => answer(inner, request).await,
        Err(error) => respond(None, Err(Refusal::invalid_request(error.to_string()))),
    }
}

fn from_wire(request: WireRequest) -> Result<Request<Full<Bytes>>, http::Error> {
    let method = match request.method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Head => http::Method::HEAD,
        Method::Other => http::Method::OPTIONS,
    };
    let target = if request.query.is_empty() { request.path } else { format!("{}?{}", request.path, request.query) };
    let builder = Request::builder().method(method).uri(target);
    let builder = request.headers.iter().fold(builder, |builder, (name, value)| builder.header(name, value));
    builder.body(Full::new(request.body))
}

pub(super) fn into_http(wire: WireResponse) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::bytes(wire.body));
    *response.status_mut() = StatusCode::from_u16(wire.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in wire.headers {
        // Names and values are the server's own.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// One request, with its figures.
#[expect(clippy::disallowed_methods, reason = "this is the adapter that measures")]
async fn answer<B>(inner: &Arc<Inner>, request: Request<B>) -> WireResponse
where
    B: Body + Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let started = std::time::Instant::now();
    let (parts, body) = request.into_parts();
    let accepts = parts.headers.get(http::header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let accepts = accepts.map(str::to_owned);
    let mut seen = Seen { endpoint: "other", bytes_in: 0 };
    let text = run(inner, &parts, body, &mut seen).await;
    let long = text.as_ref().is_ok_and(|text| text.len() >= BLOCKING_FROM);
    let response = if long {
        let packed = tokio::task::spawn_blocking(move || respond(accepts.as_deref(), text)).await;
        packed.unwrap_or_else(|_| respond(None, Err(Refusal::internal())))
    } else {
        respond(accepts.as_deref(), text)
    };
    if let Some(on_metric) = &inner.engine.options().hooks.on_metric {
        on_metric(&Metric {
            endpoint: seen.endpoint,
            status: response.status,
            latency: started.elapsed(),
            bytes_in: seen.bytes_in,
            bytes_out: response.body.len(),
        });
    }
    response
}

/// What a metric says of a request.
struct Seen {
    endpoint: &'static str,
    bytes_in: usize,
}

async fn run<B>(inner: &Arc<Inner>, parts: &Parts, body: B, seen: &mut Seen) -> Result<String, Refusal>
where
    B: Body + Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let engine = &inner.engine;
    let base_path = engine.options().base_path.as_str();
    let method = match parts.method {
        http::Method::GET => Method::Get,
        http::Method::POST => Method::Post,
        http::Method::PUT => Method::Put,
        http::Method::HEAD => Method::Head,
        _ => Method::Other,
    };
    // A router that nests this service has stripped its prefix; the paths of the protocol are whole.
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let refused = |caller: Option<&Caller>, refusal: Refusal| {
        engine.report_refusal(caller, &refusal);
        refusal
    };
    if let Ok(Route::Health) = check::route(base_path, method, uri.path(), false) {
        seen.endpoint = "health";
        return Ok(HEALTH.to_owned());
    }
    let caller = authenticate(inner, parts).await?;
    let route = check::route(base_path, method, uri.path(), true).map_err(|r| refused(Some(&caller), r))?;
    let limits = engine.limits();
    let lenses = engine.lenses();
    match route {
        Route::Health => Ok(HEALTH.to_owned()),
        Route::Push => {
            seen.endpoint = "push";
            let coding = check::media(text_headers(parts).into_iter()).map_err(|r| refused(Some(&caller), r))?;
            let body = read_body(inner, body, coding).await.map_err(|r| refused(Some(&caller), r))?;
            seen.bytes_in = body.len();
            let body = check::decompress(&body, coding, limits).map_err(|r| refused(Some(&caller), r))?;
            let request = check::push(&body, limits, lenses, &caller).map_err(|r| refused(Some(&caller), r))?;
            drop(body);
            let (group, client_id) = (caller.group.clone(), request.client_id.clone());
            let pushing = inner.backend.push(PushJob { caller: caller.clone(), request });
            // Whether it is committed later is the ledger's to say, to the retry.
            let pushed = timeout(limits.request_timeout, pushing).await.unwrap_or_else(|_| {
                Err(inner.fail(
                    Some(&caller),
                    Refusal::unavailable(),
                    too_long("a push waited too long for the writer"),
                ))
            });
            tell_pushed(inner, group, client_id, &pushed);
            engine.json(&pushed?)
        }
        Route::Pull => {
            seen.endpoint = "pull";
            let query = uri.query().unwrap_or_default();
            let request = check::pull(query, limits, lenses, &caller).map_err(|r| refused(Some(&caller), r))?;
            let most = limits.request_timeout.saturating_add(std::time::Duration::from_millis(limits.max_wait_ms));
            let about = caller.clone();
            timeout(most, inner.pull(caller, request)).await.unwrap_or_else(|_| {
                Err(inner.fail(Some(&about), Refusal::unavailable(), too_long("a pull took too long")))
            })
        }
    }
}

/// Who asks.
pub(super) async fn authenticate(inner: &Inner, parts: &Parts) -> Result<Caller, Refusal> {
    match inner.auth.caller(parts).await {
        Ok(caller) => Ok(caller),
        Err(error) if error.kind() == ErrorKind::Unauthorized => {
            let mut report = ServerError::new(ServerErrorKind::Unauthorized, error);
            report.group = None;
            inner.engine.options().hooks.report(&report);
            Err(Refusal::unauthorized())
        }
        Err(error) if error.kind() == ErrorKind::Config => Err(inner.fail(None, Refusal::internal(), error)),
        Err(error) => Err(inner.fail(None, Refusal::unavailable(), error)),
    }
}

/// What is needed of a request for an image; none when it is another.
#[cfg(feature = "sqlite")]
fn image_request<B>(inner: &Inner, request: &Request<B>) -> Option<(Parts, String)> {
    // A router that nests this service has stripped its prefix; the paths of the protocol are whole.
    let uri = request.extensions().get::<OriginalUri>().map_or(request.uri(), |original| &original.0);
    let below = uri.path().strip_prefix(inner.engine.options().base_path.as_str());
    if inner.images.is_none() || request.method() != http::Method::GET || below != Some("/image") {
        return None;
    }
    let query = uri.query().unwrap_or_default().to_owned();
    let (mut parts, ()) = Request::new(()).into_parts();
    (parts.method, parts.uri) = (request.method().clone(), request.uri().clone());
    (parts.headers, parts.extensions) = (request.headers().clone(), request.extensions().clone());
    Some((parts, query))
}

/// An image, with its figures. The bytes are those that are about to be sent.
#[cfg(feature = "sqlite")]
#[expect(clippy::disallowed_methods, reason = "this is the adapter that measures")]
async fn measured_image(inner: &Arc<Inner>, parts: &Parts, query: &str) -> Response<AnswerBody> {
    let started = std::time::Instant::now();
    let response = super::image::answer(inner, parts, query).await;
    if let Some(on_metric) = &inner.engine.options().hooks.on_metric {
        let bytes_out = http_body::Body::size_hint(response.body()).exact().unwrap_or(0);
        on_metric(&Metric {
            endpoint: "image",
            status: response.status().as_u16(),
            latency: started.elapsed(),
            bytes_in: 0,
            bytes_out: usize::try_from(bytes_out).unwrap_or(usize::MAX),
        });
    }
    response
}

/// The headers that the checks look at. A value that is not text counts as an unknown one.
fn text_headers(parts: &Parts) -> Vec<(&str, &str)> {
    parts.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("\u{fffd}"))).collect()
}

/// The body as it was sent, at most the limit of bytes, within the limit of time.
async fn read_body<B>(inner: &Inner, body: B, coding: Coding) -> Result<Bytes, Refusal>
where
    B: Body + Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let limits = inner.engine.limits();
    // What compresses to more than the limit is more than the limit, but for the frame of gzip.
    let most = limits.body_bytes.saturating_add(if coding == Coding::Gzip { 4 << 10 } else { 0 });
    if body.size_hint().lower() > u64::try_from(most).unwrap_or(u64::MAX) {
        return Err(Refusal::payload_too_large(limits.body_bytes));
    }
    let again = |message| Refusal { retry_after: Some(1), ..Refusal::new(503, "unavailable", message) };
    let collecting = Box::pin(Limited::new(body, most).collect());
    match timeout(limits.body_timeout, collecting).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::payload_too_large(limits.body_bytes)),
        // 503 and not 400, which stops a client for good: it is the network's doing, and to be tried again. A connection
        // may be cut in one direction only, so that this answer arrives.
        Ok(Err(_)) => Err(again("the body ended before its time")),
        Err(_) => Err(again("the body came too slowly")),
    }
}

/// Tells `on_pushed` of what was done, outside of the writer.
fn tell_pushed(inner: &Arc<Inner>, group: String, client_id: String, pushed: &Result<PushResponse, Refusal>) {
    let hooks = &inner.engine.options().hooks;
    let Some(on_pushed) = &hooks.on_pushed else { return };
    let results: Vec<MutationResult> = match pushed {
        Ok(answer) => answer.results.clone(),
        // A gap keeps what ran before it.
        Err(refusal) => refusal
            .error
            .members
            .get("results")
            .and_then(|results| serde_json::from_value(results.clone()).ok())
            .unwrap_or_default(),
    };
    if results.iter().all(|result| result.status == MutationStatus::Duplicate) {
        return;
    }
    let told = on_pushed(Pushed { group: group.clone(), client_id: client_id.clone(), results });
    let inner_again = Arc::clone(inner);
    let work: BoxFuture<'static, ()> = Box::pin(async move {
        if let Err(error) = told.await {
            let mut report = ServerError::new(ServerErrorKind::OnPushedFailed, error);
            (report.group, report.client_id) = (Some(group), Some(client_id));
            inner_again.engine.options().hooks.report(&report);
        }
    });
    match &hooks.wait_until {
        Some(spawn) => spawn(work),
        None => spawn_here(work),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the adapter that spawns")]
fn spawn_here(work: BoxFuture<'static, ()>) {
    tokio::spawn(work);
}
