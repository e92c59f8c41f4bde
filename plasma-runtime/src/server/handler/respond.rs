//! Answers as they go over the wire.

use std::io::Write;

use bytes::Bytes;
use serde::Serialize;

use crate::error::Error;
use crate::protocol::{WireRequest, WireResponse};
use crate::server::hooks::{ServerError, ServerErrorKind};
use crate::server::{Refusal, ServerEngine};

/// The body of `GET /health`.
pub(in crate::server) const HEALTH: &str = r#"{"ok":true}"#;

/// Bodies shorter than this are not worth compressing, bytes.
const COMPRESS_FROM: usize = 512;

impl ServerEngine {
    /// The JSON text of an answer.
    pub(in crate::server) fn json(&self, answer: &impl Serialize) -> Result<String, Refusal> {
        serde_json::to_string(answer).map_err(|e| {
            let error = Error::internal("an answer has no JSON form").with_source(e);
            self.options().hooks.report(&ServerError::new(ServerErrorKind::Internal, error));
            Refusal::internal()
        })
    }

    /// The answer to `request` with this body, compressed when it asks for that.
    pub(in crate::server) fn respond(&self, request: &WireRequest, body: Result<String, Refusal>) -> WireResponse {
        respond(request.header("accept-encoding"), body)
    }
}

/// The answer to a request with this `accept-encoding`.
pub(in crate::server) fn respond(accept_encoding: Option<&str>, body: Result<String, Refusal>) -> WireResponse {
    let mut headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("cache-control".to_owned(), "no-store".to_owned()),
        ("x-content-type-options".to_owned(), "nosniff".to_owned()),
        ("vary".to_owned(), "accept-encoding".to_owned()),
    ];
    let (status, text) = match body {
        Ok(text) => (200, text),
        Err(refusal) => {
            if let Some(seconds) = refusal.retry_after {
                headers.push(("retry-after".to_owned(), seconds.to_string()));
            }
            if let Some(allow) = refusal.error.members.get("allow").and_then(|allow| allow.as_str()) {
                headers.push(("allow".to_owned(), allow.to_owned()));
            }
            if refusal.status == 401 {
                // RFC 9110, section 11.6.1: a 401 names a scheme.
                headers.push(("www-authenticate".to_owned(), "Bearer".to_owned()));
            }
            (refusal.status, refusal.body())
        }
    };
    let compressed = (text.len() >= COMPRESS_FROM && accept_encoding.is_some_and(accepts_gzip)).then(|| gzip(&text));
    let body = match compressed {
        Some(Ok(bytes)) => {
            headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
            Bytes::from(bytes)
        }
        // Writing to memory does not fail; if it did, the plain text is as good.
        Some(Err(_)) | None => Bytes::from(text),
    };
    WireResponse { status, headers, body }
}

fn gzip(text: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

/// Whether an `accept-encoding` (RFC 9110, section 12.5.3) takes gzip: named, or covered by `*`, and not with `q=0`.
fn accepts_gzip(header: &str) -> bool {
    let weight = |wanted: &str| {
        header.split(',').find_map(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            let coding = parts.next()?;
            if !coding.eq_ignore_ascii_case(wanted) {
                return None;
            }
            let q = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            Some(q.map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0)))
        })
    };
    weight("gzip").or_else(|| weight("*")).is_some_and(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::accepts_gzip;

    #[test]
    fn gzip_is_used_when_it_is_accepted() {
        for yes in ["gzip", "br, GZIP;q=0.5", "*", "gzip ; q=1"] {
            assert!(accepts_gzip(yes), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "*;q=1, gzip;q=0", "x-gzip"] {
            assert!(!accepts_gzip(no), "{no}");
        }
    }
}
