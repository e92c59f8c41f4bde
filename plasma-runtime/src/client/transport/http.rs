//! The transport over HTTP: reqwest on tokio, rustls with the ring provider.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::patience::Patience;
use super::{Endpoint, Headers, Transport, gzip};
use crate::client::event::SendFailure;
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::protocol::{Method, WireRequest, WireResponse};

/// How [`HttpTransport`] behaves. Every value has a default.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpOptions {
    /// How long a connection may take to be made, TLS included. 10 s.
    pub connect_timeout: Duration,
    /// How long the server may stay silent inside a request, beyond the time that a pull asks it to hold the answer, and
    /// beyond a second for each 16 KiB that are sent. 10 s. After a silence no connection that was open then is used any
    /// more, and the next request of the same route may be silent for twice as long.
    pub read_timeout: Duration,
    /// What `read_timeout` rises to while a route stays silent. 60 s.
    pub max_read_timeout: Duration,
    /// How long an unused connection is kept. 90 s.
    pub idle_timeout: Duration,
    /// Request bodies of at least this many bytes are compressed. 1 KiB.
    pub compress_from: usize,
    /// Bytes an answer may have, before and after decompression: a page is at most 4 MiB of patch. 64 MiB.
    pub max_answer: usize,
    /// Bytes a downloaded file may have. 8 GiB.
    pub max_file: u64,
}

impl Default for HttpOptions {
    fn default() -> Self {
        HttpOptions {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(10),
            max_read_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(90),
            compress_from: 1 << 10,
            max_answer: 64 << 20,
            max_file: 8 << 30,
        }
    }
}

/// Sends requests over HTTP/1.1 or HTTP/2. Needs a tokio runtime.
///
/// Redirects are not followed: the server never sends any, and one that a captive portal sends must not carry
/// credentials elsewhere. The answer is passed up as it is. Proxies are taken from the environment.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: Arc<Mutex<reqwest::Client>>,
    /// It was made here, and can be made again.
    own: bool,
    endpoint: Endpoint,
    options: Arc<HttpOptions>,
    patience: Arc<Patience>,
}

/// The slowest link that a request body is given the time for, bytes a second.
const SLOWEST: u64 = 16 << 10;

/// One request under way: what it goes over, and how long it may be silent.
struct Sending {
    client: reqwest::Client,
    request: reqwest::Request,
    route: String,
    /// For the head of the answer.
    first: Duration,
    /// For each piece of its body.
    then: Duration,
}

impl HttpTransport {
    /// A transport to this server.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when TLS cannot be set up, such as on a system without root certificates (plain
    /// `http` works there).
    pub fn new(endpoint: Endpoint) -> Result<Self> {
        Self::with_options(endpoint, HttpOptions::default())
    }

    /// A transport to this server, with settings.
    ///
    /// # Errors
    /// As [`HttpTransport::new`].
    pub fn with_options(endpoint: Endpoint, options: HttpOptions) -> Result<Self> {
        let client = connections(&endpoint, &options)?;
        Ok(HttpTransport { own: true, ..Self::with_client(client, endpoint, options) })
    }

    /// A transport over an HTTP client of the application's making (own certificates, own proxy). It must not follow
    /// redirects and must not decompress. Its connections are its own: after a silence it may use old ones again, so it
    /// should not keep them for long.
    pub fn with_client(client: reqwest::Client, endpoint: Endpoint, options: HttpOptions) -> Self {
        HttpTransport {
            client: Arc::new(Mutex::new(client)),
            own: false,
            endpoint,
            options: Arc::new(options),
            patience: Arc::default(),
        }
    }

    fn client(&self) -> std::sync::MutexGuard<'_, reqwest::Client> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the server within its time.
    async fn within<T>(
        &self,
        route: &str,
        limit: Duration,
        work: impl Future<Output = reqwest::Result<T>>,
    ) -> Result<T, SendFailure> {
        let Ok(came) = tokio::time::timeout(limit, work).await else {
            self.patience.silent(route);
            if self.own {
                // Whatever took this connection's other end may have taken those of the others: they would be silent one
                // after the other. Without new ones the old ones have to do.
                if let Ok(fresh) = connections(&self.endpoint, &self.options) {
                    *self.client() = fresh;
                }
            }
            return Err(SendFailure::new(format!("the server was silent for {} ms", limit.as_millis())));
        };
        came.map_err(failed)
    }

    fn build(&self, request: WireRequest, headers: &Headers) -> Result<Sending, SendFailure> {
        let then = self.patience.limit(&request.path, self.options.read_timeout, self.options.max_read_timeout);
        let first = then.saturating_add(Duration::from_millis(request.hold_ms()));
        let route = request.path.clone();
        let client = self.client().clone();
        let mut address = format!("{}{}", self.endpoint.origin(), request.path);
        if !request.query.is_empty() {
            address.push('?');
            address.push_str(&request.query);
        }
        let url = reqwest::Url::parse(&address)
            .map_err(|error| SendFailure::new(format!("`{address}` is not a valid address: {error}")))?;
        if url.path() != request.path {
            return Err(SendFailure::new(format!("the path `{}` would be changed to `{}`", request.path, url.path())));
        }
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Head => reqwest::Method::HEAD,
            Method::Other => return Err(SendFailure::new("the transport has no such method")),
        };
        headers.check().map_err(|error| SendFailure::new(error.to_string()))?;
        let encoded = request.header("content-encoding").is_some();
        let accepts = request.header("accept-encoding").is_some();
        let mut builder = client.request(method, url);
        for (name, value) in request.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).chain(headers.iter()) {
            builder = builder.header(name, value);
        }
        if !accepts {
            builder = builder.header("accept-encoding", "gzip");
        }
        let mut sent = 0;
        if !request.body.is_empty() {
            builder = match gzip::compress(&request.body, self.options.compress_from) {
                Some(compressed) if !encoded => {
                    sent = compressed.len();
                    builder.header("content-encoding", "gzip").body(compressed)
                }
                _ => {
                    sent = request.body.len();
                    builder.body(request.body)
                }
            };
        }
        let first = first.saturating_add(Duration::from_secs(sent as u64 / SLOWEST));
        let request = builder.build().map_err(|error| SendFailure::new(chain(&error)))?;
        Ok(Sending { client, request, route, first, then })
    }

    async fn answer(&self, sending: Sending) -> Result<WireResponse, SendFailure> {
        let Sending { client, request, route, first, then } = sending;
        let response = self.within(&route, first, client.execute(request)).await?;
        self.read(&route, then, response).await
    }

    /// The answer, the body of a success in a file.
    async fn file(&self, sending: Sending, to: &Path) -> Result<WireResponse, SendFailure> {
        let Sending { client, request, route, first, then } = sending;
        let mut response = self.within(&route, first, client.execute(request)).await?;
        if response.status() != reqwest::StatusCode::OK {
            return self.read(&route, then, response).await;
        }
        let headers = headers_of(&response);
        if headers.iter().any(|(name, value)| name == "content-encoding" && !value.eq_ignore_ascii_case("identity")) {
            return Err(SendFailure::new("a file came compressed, which nobody asked for"));
        }
        let too_large = || SendFailure::new(format!("the file is larger than {} bytes", self.options.max_file));
        if response.content_length().is_some_and(|length| length > self.options.max_file) {
            return Err(too_large());
        }
        let unwritable = |error: std::io::Error| SendFailure::new(format!("the file cannot be written: {error}"));
        // Chunks are small and go to the system's cache: nothing is synced.
        let mut file = private(to).map_err(unwritable)?;
        let mut written = 0;
        while let Some(chunk) = self.within(&route, then, response.chunk()).await? {
            written += chunk.len() as u64;
            if written > self.options.max_file {
                return Err(too_large());
            }
            file.write_all(&chunk).map_err(unwritable)?;
        }
        self.patience.answered(&route);
        Ok(WireResponse { status: 200, headers, body: Bytes::new() })
    }

    async fn read(
        &self,
        route: &str,
        limit_each: Duration,
        mut response: reqwest::Response,
    ) -> Result<WireResponse, SendFailure> {
        let limit = self.options.max_answer;
        let too_large = || SendFailure::new(format!("the answer is larger than {limit} bytes"));
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let status = response.status().as_u16();
        let mut headers = headers_of(&response);
        let mut body = BytesMut::new();
        while let Some(chunk) = self.within(route, limit_each, response.chunk()).await? {
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        self.patience.answered(route);
        let mut body: Bytes = body.freeze();
        let is = |value: &str, coding: &str| value.trim().eq_ignore_ascii_case(coding);
        if let Some(at) = headers.iter().position(|(name, value)| name == "content-encoding" && !is(value, "identity"))
        {
            let (_, coding) = headers.remove(at);
            if !is(&coding, "gzip") && !is(&coding, "x-gzip") {
                return Err(SendFailure::new(format!("the answer has the unknown encoding `{coding}`")));
            }
            body = gzip::decompress(&body, limit).map_err(SendFailure::new)?;
            // It is the length of the compressed body.
            headers.retain(|(name, _)| name != "content-length");
        }
        Ok(WireResponse { status, headers, body })
    }
}

/// A client with a pool of connections of its own.
fn connections(endpoint: &Endpoint, options: &HttpOptions) -> Result<reqwest::Client> {
    // The first provider installed in a process stays; one that the application chose is respected.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _already_installed = rustls::crypto::ring::default_provider().install_default();
    }
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("plasma/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(options.idle_timeout)
        .tcp_keepalive(Duration::from_secs(30))
        .tcp_nodelay(true);
    if !endpoint.is_tls() {
        // No root certificates are read: a container without any can still talk to a server on its own network.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| {
        Error::new(ErrorKind::Config, format!("the HTTP client cannot be set up: {}", chain(&error))).with_source(error)
    })
}

impl Transport for HttpTransport {
    fn send<'a>(&'a self, request: WireRequest, headers: Headers) -> BoxFuture<'a, Result<WireResponse, SendFailure>> {
        let request = self.build(request, &headers);
        Box::pin(async move { self.answer(request?).await })
    }

    fn downloads(&self) -> bool {
        true
    }

    fn download<'a>(
        &'a self,
        mut request: WireRequest,
        headers: Headers,
        to: &'a Path,
    ) -> BoxFuture<'a, Result<WireResponse, SendFailure>> {
        // The hash is of the bytes as they are.
        request.headers.push(("accept-encoding".to_owned(), "identity".to_owned()));
        let request = self.build(request, &headers);
        Box::pin(async move { self.file(request?, to).await })
    }
}

fn failed(error: reqwest::Error) -> SendFailure {
    SendFailure::new(chain(&error.without_url()))
}

fn headers_of(response: &reqwest::Response) -> Vec<(String, String)> {
    let headers = response.headers().iter();
    headers
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

/// An empty file that only its owner reads.
fn private(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// An error and what caused it, in one line: reqwest's own text often says only "error sending request".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
