//! Consistent pulls: what a reader is sent so that it holds what it may see, page by page.
//!
//! One pull is one read transaction. It reads the log after the cookie's position once ([`log`]), judges the rows that
//! may have to be sent ([`candidates`], [`judge`]) with the tables as of the positions that matter ([`source`]), and ends
//! at the boundary of a unit. A reader that starts anew, and a table whose policy changed, is served by walking whole
//! tables ([`walk`]). [`context`] chooses between these ways, [`fit`] makes a difference fit into a page, [`answer`] puts the
//! page together.

mod answer;
mod candidates;
mod context;
mod fit;
mod history;
mod judge;
mod ledger;
pub(super) mod log;
mod page;
mod policy;
mod reading;
mod set;
mod source;
#[cfg(all(test, feature = "sqlite"))]
mod tests;
mod wait;
mod walk;
#[cfg(feature = "http-server")]
mod why;

use self::context::{Context, Cut};
#[cfg(feature = "http-server")]
pub(super) use self::history::compaction_bound;
pub(super) use self::history::head;
use self::history::{Meta, is_ours};
use self::policy::Policies;
pub(in crate::server) use self::reading::end_reading;
#[cfg(feature = "http-server")]
pub(in crate::server) use self::why::denied;
use super::{Caller, Refusal, ServerEngine, ServerError, ServerErrorKind};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::cookie::{AnyCookie, Position};
use crate::protocol::{PullRequest, PullResponse};
use crate::store::SqlExecutor;

/// A page, and whether it says anything.
#[derive(Debug, Clone)]
pub struct Pulled {
    /// The page.
    pub response: PullResponse,
    /// There is no operation and no entry of `lastMutationIDs`: a long poll may go on waiting. What the reader holds is
    /// the same at the page's cookie as at the one it asked with, so the wait may go on from either.
    pub empty: bool,
}

/// Why a pull has no page.
#[derive(Debug)]
pub(crate) enum PullFailure {
    /// The request is refused.
    Refused(Refusal),
    /// The server failed: no detail on the wire, all of it to the error hook.
    Failed(Error),
}

impl From<Error> for PullFailure {
    fn from(error: Error) -> Self {
        PullFailure::Failed(error)
    }
}

impl ServerEngine {
    /// Answers a pull with one page, in one read transaction of its own.
    ///
    /// The request's members other than the cookie are taken as checked. The time says only until when the start of a
    /// set of pages is held against compaction: positions are versions, never times.
    ///
    /// # Errors
    /// 400 `invalid-cookie`; 503 `unavailable` when the database fails, 500 `internal` when a policy does (the cause goes
    /// to `on_error`).
    pub async fn pull(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        caller: &Caller,
        request: &PullRequest,
    ) -> Result<Pulled, Refusal> {
        self.pull_page(db, now_ms, caller, request).await.map_err(|failure| match failure {
            PullFailure::Refused(refusal) => refusal,
            PullFailure::Failed(error) => {
                let refusal = match error.kind() {
                    // Of another schema since: a server that fits, or this one started again, answers.
                    ErrorKind::Storage | ErrorKind::Fault | ErrorKind::SchemaMismatch => Refusal::unavailable(),
                    _ => Refusal::internal(),
                };
                let mut report = ServerError::new(ServerErrorKind::Internal, error);
                (report.group, report.client_id) = (Some(caller.group.clone()), Some(request.client_id.clone()));
                self.options().hooks.report(&report);
                refusal
            }
        })
    }

    /// [`pull`](Self::pull), with the cause of a failure.
    pub(crate) async fn pull_page(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        caller: &Caller,
        request: &PullRequest,
    ) -> Result<Pulled, PullFailure> {
        let cookie = request.cookie.as_deref().map(AnyCookie::decode).transpose();
        let cookie = cookie.map_err(|e| PullFailure::Refused(Refusal::invalid_cookie(e.to_string())))?;
        self.sequence(db).await?;
        let page = self.page(db, now_ms, caller, request, cookie).await;
        if !db.in_transaction() {
            // It could not begin.
            return Ok(page?);
        }
        Ok(end_reading(db, page).await?)
    }

    /// Names the caller's rules: two callers with equal digests may read the same. Only for this process.
    ///
    /// # Errors
    /// Whatever the application's policies fail with.
    #[cfg(feature = "http-server")]
    pub(in crate::server) fn digests(
        &self,
        caller: &Caller,
        request: &PullRequest,
    ) -> Result<std::collections::BTreeMap<String, String>> {
        let lens = self.lenses().of(request.fingerprint.as_deref());
        Ok(Policies::bind(self, &*caller.ctx, b"held pulls", lens)?.digests)
    }

    async fn page(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        caller: &Caller,
        request: &PullRequest,
        cookie: Option<AnyCookie>,
    ) -> Result<Pulled> {
        let position = cookie.and_then(|cookie| match cookie {
            AnyCookie::Position(position) => Some(position),
            _ => None,
        });
        let (head, Meta { horizon, key, epoch }, marks) = history::open(self, db, position.as_ref()).await?;
        self.fits_at(db, epoch).await?;
        let lens = self.lenses().of(request.fingerprint.as_deref());
        let policies = Policies::bind(self, &*caller.ctx, key.as_bytes(), lens)?;
        let position = position.filter(|position| is_ours(position, &horizon, &marks));
        // What the reader was served as; a version we do not know may have been served anything.
        let served = position.as_ref().and_then(|position| self.lenses().get(position.schema?));
        let unseen = served.map(|served| lens.differs(served));
        let position = match &unseen {
            None => None,
            // The pages before this one went to a reader that knew less.
            Some(unseen) if !unseen.is_empty() => position.filter(|position| position.walk.is_none()),
            Some(_) => position,
        };
        let unseen = unseen.unwrap_or_default();
        let (policies, horizon) = (&policies, &horizon);
        let context = Context { engine: self, caller, request, head, policies, lens, unseen, horizon, now_ms };
        let page = match position {
            Some(Position { walk: Some(walk), at, mark, seen, policies, .. }) => {
                context.go_on(db, walk, Cut { at, mark }, seen, policies).await?
            }
            Some(position) => context.next(db, position).await?,
            None => None,
        };
        match page {
            Some(page) => Ok(page),
            None => context.reset(db).await,
        }
    }
}
