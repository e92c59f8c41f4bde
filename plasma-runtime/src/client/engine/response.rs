//! What every refusal and failure does to the loop.

use super::{Engine, OnMismatch};
use crate::client::event::{Action, ClientErrorKind, Inputs, SendFailure};
use crate::client::identity::{self, Meta, keys};
use crate::client::inbox;
use crate::client::rotate::Rotation;
use crate::client::status::Stuck;
use crate::error::{Error, ErrorKind, Result};
use crate::mutate::ErasedCtx;
use crate::protocol::{WireError, WireResponse};
use crate::store::SqlConnection;

/// Which request an answer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Push,
    Pull,
}

/// An answer that is not a success.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) error: WireError,
    pub(super) retry_after_ms: Option<i64>,
}

/// Sorts an answer: the body of a success, a refusal of the protocol, or something that did not come from a server of
/// ours (a captive portal, a proxy, nothing at all).
pub(super) fn sort(outcome: Result<WireResponse, SendFailure>) -> Result<WireResponse, Result<Refused, Error>> {
    let response = match outcome {
        Ok(response) => response,
        Err(failure) => return Err(Err(Error::new(ErrorKind::Network, failure.message))),
    };
    if response.status == 200 {
        return Ok(response);
    }
    let retry_after_ms = response
        .header("retry-after")
        .and_then(|seconds| seconds.trim().parse::<i64>().ok())
        .map(|seconds| seconds.clamp(0, 86_400).saturating_mul(1_000));
    let status = response.status;
    match serde_json::from_slice::<WireError>(&response.body) {
        Ok(error) => Err(Ok(Refused { status, error, retry_after_ms })),
        // A proxy in between may answer these without knowing the protocol; what they mean is clear.
        Err(_) if status == 413 || status == 429 || status >= 500 => {
            let code = match status {
                413 => "payload-too-large",
                429 => "rate-limited",
                503 => "unavailable",
                _ => "internal",
            };
            let message = format!("the server answered with status {status}");
            let error = WireError { error: code.to_owned(), message, members: serde_json::Map::new() };
            Err(Ok(Refused { status, error, retry_after_ms }))
        }
        Err(_) => Err(Err(not_the_protocol(&format!("status {status}")))),
    }
}

pub(super) fn not_the_protocol(what: &str) -> Error {
    Error::new(
        ErrorKind::Network,
        format!("the answer is not one of a plasma server ({what}): is a portal in between?"),
    )
}

impl WireErrorExt for WireError {
    fn number(&self, member: &str) -> Option<u64> {
        self.members.get(member).and_then(serde_json::Value::as_u64)
    }

    fn text(&self, member: &str) -> String {
        match self.members.get(member) {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }
}

pub(super) trait WireErrorExt {
    fn number(&self, member: &str) -> Option<u64>;
    fn text(&self, member: &str) -> String;
}

impl Engine {
    /// Nothing came back, or nothing of ours: try again later.
    pub(super) fn network_failure(
        &mut self,
        which: Which,
        error: Error,
        inputs: &mut Inputs<'_>,
        actions: &mut Vec<Action>,
    ) {
        self.network_down = true;
        self.back_off(which, None, |until| Stuck::Backoff { until }, inputs);
        self.report(ClientErrorKind::Network, error, inputs.now, actions);
    }

    fn back_off(
        &mut self,
        which: Which,
        retry_after_ms: Option<i64>,
        stuck: impl FnOnce(i64) -> Stuck,
        inputs: &mut Inputs<'_>,
    ) {
        let (now, options) = (inputs.now, &self.options);
        self.at_head = false;
        match which {
            Which::Push => {
                let until = self.push.failed(now, retry_after_ms, options, inputs.entropy);
                self.push.trouble = Some(stuck(until));
            }
            Which::Pull => {
                let until = self.pull.failed(now, retry_after_ms, options, inputs.entropy);
                self.pull.trouble = Some(stuck(until));
            }
        }
    }

    /// A refusal both directions share; the others were taken out before.
    pub(super) fn refused(
        &mut self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        which: Which,
        refused: Refused,
        inputs: &mut Inputs<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<()> {
        self.network_down = false;
        let now = inputs.now;
        let Refused { status, error: wire, retry_after_ms } = refused;
        let kind = match which {
            Which::Push => ClientErrorKind::PushHttp,
            Which::Pull => ClientErrorKind::PullHttp,
        };
        let error = wire_error(&wire);
        match (status, wire.error.as_str()) {
            (401, _) => {
                let refreshed = match which {
                    Which::Push => std::mem::replace(&mut self.push.refresh_auth, true),
                    Which::Pull => std::mem::replace(&mut self.pull.refresh_auth, true),
                };
                if refreshed {
                    self.back_off(which, retry_after_ms, |until| Stuck::Unauthorized { until }, inputs);
                    self.report(kind, error, now, actions);
                } else {
                    self.retry_at_once(which, now);
                }
            }
            (409, "schema-mismatch") => {
                let (expected, got) = (wire.text("expected"), wire.text("got"));
                let stuck = Stuck::SchemaMismatch { expected: expected.clone(), got };
                self.back_off(which, retry_after_ms, |_| stuck, inputs);
                self.report(ClientErrorKind::SchemaMismatch, error, now, actions);
                // A server that is still of a former version will be of ours: nothing there is worth a reset.
                let behind =
                    self.definition.schema.former_versions().any(|former| former.fingerprint_hex() == expected);
                if self.options.on_mismatch == OnMismatch::Reset && !self.reset_done && !behind {
                    self.drop_base(store, ctx, actions)?;
                    self.reset_done = true;
                }
            }
            (409, "client-forked") => self.rotate(store, ctx, Rotation::Forked, inputs, actions)?,
            (409, "client-expired") => self.rotate(store, ctx, Rotation::Expired, inputs, actions)?,
            (400, "invalid-cookie") => {
                self.report(kind, error, now, actions);
                self.forget_cookie(store)?;
                // A server that refuses its own first answer must not be asked in a loop.
                self.back_off(which, None, |until| Stuck::Backoff { until }, inputs);
            }
            (429 | 503, _) => {
                self.back_off(which, retry_after_ms, |until| Stuck::Overloaded { until }, inputs);
                self.report(kind, error, now, actions);
            }
            (400..=499, code) => {
                let code = code.to_owned();
                self.blocked = Some(Stuck::Refused { code });
                self.at_head = false;
                self.report(kind, error, now, actions);
            }
            (500.., _) => {
                self.back_off(which, retry_after_ms, |until| Stuck::Backoff { until }, inputs);
                self.report(kind, error, now, actions);
            }
            (status, _) => {
                self.network_failure(which, not_the_protocol(&format!("status {status}")), inputs, actions);
            }
        }
        Ok(())
    }

    pub(super) fn retry_at_once(&mut self, which: Which, now: i64) {
        // What was forced while stopped stays forced, or the retry would never go out.
        let force = !self.started;
        match which {
            Which::Push => {
                self.push.not_before = now;
                self.push.forced |= force;
            }
            Which::Pull => {
                self.pull.not_before = now;
                self.pull.forced |= force;
            }
        }
    }

    /// The next pull starts from nothing.
    fn forget_cookie(&mut self, store: &mut dyn SqlConnection) -> Result<()> {
        crate::client::rows::transaction(store, |store| {
            let mut meta = Meta::load(store)?;
            inbox::clear(store, &mut meta)?;
            identity::set(store, keys::COOKIE, None)
        })
    }

    /// Empties the base; what is pending runs again over nothing, and the next pull brings everything.
    fn drop_base(&mut self, store: &mut dyn SqlConnection, ctx: &ErasedCtx, actions: &mut Vec<Action>) -> Result<()> {
        self.rebase(store, ctx, actions, |rebase| {
            let mut meta = Meta::load(rebase.writer.store)?;
            inbox::clear(rebase.writer.store, &mut meta)?;
            identity::set(rebase.writer.store, keys::COOKIE, None)?;
            rebase.over_nothing()
        })
    }
}

/// A refusal as the library's error.
pub(super) fn wire_error(wire: &WireError) -> Error {
    let error = match wire.error.as_str() {
        "unauthorized" => Error::unauthorized(wire.message.clone()),
        "schema-mismatch" => Error::new(ErrorKind::SchemaMismatch, wire.message.clone()),
        code => Error::rejected(code.to_owned(), wire.message.clone()),
    };
    if wire.members.is_empty() { error } else { error.with_data(serde_json::Value::Object(wire.members.clone())) }
}
