//! One request, one answer: the checks in the protocol's order, then the engine.
//!
//! The checks ([`check`]) need no database, so that an HTTP adapter can make them before it takes a place in a queue.

pub mod check;
pub(crate) mod query;
mod respond;
mod strict;

#[cfg(feature = "http-server")]
pub(super) use respond::{HEALTH, respond};

use check::Checked;

use super::hooks::{ServerError, ServerErrorKind};
use super::{Caller, Refusal, ServerEngine, ledger};
use crate::error::{Error, ErrorKind};
use crate::inputs::Entropy;
use crate::protocol::{PullRequest, WireRequest, WireResponse};
use crate::store::SqlExecutor;

impl ServerEngine {
    /// Answers one request: parses it, checks it, runs it. `caller` is what the application's `auth` made of it; none
    /// is answered with 401. A `wait` is not waited for: the caller of this function holds the request and asks again.
    pub async fn handle(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        entropy: &mut dyn Entropy,
        caller: Option<&Caller>,
        request: &WireRequest,
    ) -> WireResponse {
        let body = match self.check(caller, request) {
            Err(refusal) => Err(refusal),
            Ok(Checked::Health) => Ok(respond::HEALTH.to_owned()),
            Ok(Checked::Push(job)) => {
                let mut answers = self.push_group(db, now_ms, entropy, std::slice::from_ref(&job)).await;
                answers.pop().unwrap_or_else(|| Err(Refusal::internal())).and_then(|answer| self.json(&answer))
            }
            Ok(Checked::Pull(caller, pull)) => match self.pull_for(db, now_ms, &caller, &pull).await {
                Ok(pulled) => self.json(&pulled.response),
                Err(refusal) => Err(refusal),
            },
        };
        self.respond(request, body)
    }

    /// The checks that need no database. Refusals are told to `on_error`.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn check(&self, caller: Option<&Caller>, request: &WireRequest) -> Result<Checked, Refusal> {
        check::request(&self.options().base_path, self.limits(), self.lenses(), caller, request)
            .inspect_err(|refusal| self.report_refusal(caller, refusal))
    }

    /// A pull whose client id may be the caller's: bound to no other group, and not expired.
    ///
    /// # Errors
    /// 400 `client-id-taken`, 409 `client-expired`, and those of [`pull`](Self::pull).
    pub async fn pull_for(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        caller: &Caller,
        request: &PullRequest,
    ) -> Result<super::Pulled, Refusal> {
        match ledger::entry(db, &request.client_id).await {
            Ok(Some(entry)) if entry.group != caller.group => return Err(Refusal::client_id_taken()),
            Ok(Some(entry)) if entry.expired => return Err(Refusal::client_expired()),
            Ok(_) => {}
            Err(error) => {
                self.options().hooks.report(&ServerError::new(ServerErrorKind::Internal, error));
                return Err(Refusal::unavailable());
            }
        }
        self.pull(db, now_ms, caller, request).await
    }

    /// Tells `on_error` of a request that was refused before it came to the database.
    pub(super) fn report_refusal(&self, caller: Option<&Caller>, refusal: &Refusal) {
        let kind = match refusal.error.error.as_str() {
            "unauthorized" => ServerErrorKind::Unauthorized,
            "protocol-mismatch" => ServerErrorKind::ProtocolMismatch,
            "schema-mismatch" => ServerErrorKind::SchemaMismatch,
            _ => ServerErrorKind::InvalidRequest,
        };
        let error_kind =
            if kind == ServerErrorKind::SchemaMismatch { ErrorKind::SchemaMismatch } else { ErrorKind::Protocol };
        let mut error = ServerError::new(kind, Error::new(error_kind, refusal.error.message.clone()));
        error.group = caller.map(|caller| caller.group.clone());
        self.options().hooks.report(&error);
    }
}
