//! Requests and responses without a framework: what transports carry and the server engine answers.

use bytes::Bytes;

/// The methods of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `HEAD`
    Head,
    /// Any other: answered with 405.
    Other,
}

/// A request, as it is on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireRequest {
    /// The method.
    pub method: Method,
    /// The raw path, from the server's root: `/sync/push`. Not decoded, not normalised.
    pub path: String,
    /// The raw query string without `?`; empty when there is none.
    pub query: String,
    /// Headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, as sent (still compressed when `content-encoding` says so).
    pub body: Bytes,
}

/// A response, as it is on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireResponse {
    /// The status code.
    pub status: u16,
    /// Headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl WireRequest {
    /// How long the server is asked to hold the answer, ms: the `wait` of a pull's query.
    pub fn hold_ms(&self) -> u64 {
        self.query.split('&').find_map(|pair| pair.strip_prefix("wait=")).and_then(|ms| ms.parse().ok()).unwrap_or(0)
    }

    /// The first header with this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl WireResponse {
    /// The first header with this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}
