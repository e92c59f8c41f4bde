//! Requests the server refuses: status, code and members as the protocol lists them.

use serde_json::{Map, Value as Json, json};

use crate::protocol::{PROTOCOL_VERSION, WireError};

/// A request that is refused, as it goes over the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub error: WireError,
    /// Seconds after which the request may be tried again.
    pub retry_after: Option<u32>,
}

impl Refusal {
    /// A refusal without members.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Refusal {
            status,
            error: WireError { error: code.to_owned(), message: message.into(), members: Map::new() },
            retry_after: None,
        }
    }

    /// Adds a member to the body.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.error.members.insert(name.to_owned(), value.into());
        self
    }

    /// 400 `invalid-request`: `reason` names what is wrong.
    pub fn invalid_request(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::new(400, "invalid-request", format!("the request cannot be read: {reason}")).with("reason", reason)
    }

    /// 400 `protocol-mismatch`.
    pub fn protocol_mismatch(got: impl Into<Json>) -> Self {
        let got = got.into();
        Self::new(400, "protocol-mismatch", format!("this server speaks protocol {PROTOCOL_VERSION}, not {got}"))
            .with("expected", PROTOCOL_VERSION)
            .with("got", got)
    }

    /// 400 `invalid-cookie`.
    pub fn invalid_cookie(message: impl Into<String>) -> Self {
        Self::new(400, "invalid-cookie", message)
    }

    /// 400 `client-group-mismatch`: the request names another group than the caller's. The message names neither.
    pub fn client_group_mismatch() -> Self {
        Self::new(400, "client-group-mismatch", "the request names another client group than the caller's")
    }

    /// 400 `client-id-taken`: the client id belongs to another group.
    pub fn client_id_taken() -> Self {
        Self::new(400, "client-id-taken", "the client id belongs to another client group")
    }

    /// 401 `unauthorized`.
    pub fn unauthorized() -> Self {
        Self::new(401, "unauthorized", "the request carries no valid credentials")
    }

    /// 404 `not-found`.
    pub fn not_found() -> Self {
        Self::new(404, "not-found", "there is nothing here")
    }

    /// 405 `method-not-allowed`. The answer names the allowed methods in `allow`.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self::new(405, "method-not-allowed", format!("this path answers {allow} only")).with("allow", allow)
    }

    /// 409 `schema-mismatch`.
    pub fn schema_mismatch(expected: &str, got: &str) -> Self {
        Self::new(409, "schema-mismatch", format!("this server has schema {expected}, the client has {got}"))
            .with("expected", expected)
            .with("got", got)
    }

    /// 409 `client-forked`: a mutation id at or below the last known one came with another key.
    pub fn client_forked() -> Self {
        Self::new(409, "client-forked", "the client's store was copied or restored: another store used its ids")
    }

    /// 409 `client-expired`.
    pub fn client_expired() -> Self {
        Self::new(409, "client-expired", "the client was idle for too long: its id has expired")
    }

    /// 413 `payload-too-large`.
    pub fn payload_too_large(limit: usize) -> Self {
        Self::new(413, "payload-too-large", format!("a body has at most {limit} bytes")).with("limit", limit)
    }

    /// 413 `too-many-mutations`.
    pub fn too_many_mutations(limit: usize) -> Self {
        Self::new(413, "too-many-mutations", format!("a push has at most {limit} mutations")).with("limit", limit)
    }

    /// 415 `unsupported-media-type`.
    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(415, "unsupported-media-type", message)
    }

    /// 500 `internal`: no detail on the wire.
    pub fn internal() -> Self {
        Self::new(500, "internal", "the server failed")
    }

    /// 503 `overloaded`: the queue is full.
    pub fn overloaded() -> Self {
        Refusal { retry_after: Some(1), ..Self::new(503, "overloaded", "the server has too much to do") }
    }

    /// 503 `unavailable`: a passing fault; nothing is known to be committed.
    pub fn unavailable() -> Self {
        Refusal { retry_after: Some(1), ..Self::new(503, "unavailable", "the server cannot do this now") }
    }

    /// 409 `mutation-gap`: mutations are missing before the next one. Keeps the results of what ran before it.
    pub fn mutation_gap(last: u64, results: &[crate::protocol::MutationResult]) -> Self {
        let message = format!("the next mutation of this client is {}", last + 1);
        Self::new(409, "mutation-gap", message)
            .with("expected", last + 1)
            .with("lastMutationID", last)
            .with("results", json!(results))
    }

    /// The body as JSON text.
    pub fn body(&self) -> String {
        // A map of strings to JSON values always has a JSON form.
        serde_json::to_string(&self.error).unwrap_or_else(|_| r#"{"error":"internal","message":""}"#.to_owned())
    }
}
