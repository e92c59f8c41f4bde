//! Answers of a pull.

use super::Engine;
use super::push::learn;
use super::response::{Which, not_the_protocol, sort};
use crate::client::event::{Action, ClientErrorKind, Inputs, Progress, SendFailure};
use crate::client::identity::{self, Meta, keys};
use crate::client::inbox;
use crate::client::outbox;
use crate::client::outcomes::{self, Outcome};
use crate::client::rebase::Rebase;
use crate::client::rotate::Rotation;
use crate::client::rows::transaction;
use crate::client::schedule::{InFlight, SentPull, jittered};
use crate::client::status::Stuck;
use crate::error::{Error, ErrorKind, Result};
use crate::mutate::ErasedCtx;
use crate::protocol::{PatchOp, PullResponse, WireResponse};
use crate::store::SqlConnection;

/// A partial page that came and is not staged yet: the next one is asked for first, so that the server works on it while
/// this one is written down. One that is lost here is asked for again.
#[derive(Debug)]
pub(super) struct HeldPage {
    sent: InFlight<SentPull>,
    page: PullResponse,
    body: bytes::Bytes,
}

/// Whether the store stands where this request began.
fn store_stands_at(store: &mut dyn SqlConnection, under_way: Option<&InFlight<SentPull>>) -> Result<bool> {
    let Some(under_way) = under_way else { return Ok(false) };
    Ok(Meta::load(store)?.position() == under_way.what.cookie.as_ref())
}

/// What became of a page.
enum Taken {
    /// The store had moved on: the page is not for it.
    Stale,
    /// It was staged.
    Staged,
    /// It was applied.
    Applied { learned: Vec<Outcome>, observed: Vec<uuid::Uuid> },
    /// It shows that the store must take another client id; it was not applied.
    Rotate(Rotation),
}

impl Engine {
    pub(super) fn pull_answered(
        &mut self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        sent: InFlight<SentPull>,
        outcome: Result<WireResponse, SendFailure>,
        inputs: &mut Inputs<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<()> {
        let now = inputs.now;
        if sent.what.image {
            return self.image_answered(store, &sent, outcome, inputs, actions);
        }
        let response = match sort(outcome) {
            Ok(response) => response,
            Err(Err(error)) => {
                self.network_failure(Which::Pull, error, inputs, actions);
                return Ok(());
            }
            Err(Ok(refused)) => {
                if self.client_id(store)? != sent.client_id {
                    self.retry_at_once(Which::Pull, now);
                    return Ok(());
                }
                return self.refused(store, ctx, Which::Pull, refused, inputs, actions);
            }
        };
        let parsed = std::str::from_utf8(&response.body)
            .ok()
            .and_then(|body| serde_json::from_str::<PullResponse>(body).ok().map(|page| (page, body)));
        let Some((page, body)) = parsed else {
            self.network_failure(Which::Pull, not_the_protocol("status 200"), inputs, actions);
            return Ok(());
        };
        self.network_down = false;
        if self.takes_image(&page) {
            self.pull.succeeded();
            self.retry_at_once(Which::Pull, now);
            return Ok(());
        }
        if page.partial && page.has_more {
            self.held = Some(HeldPage { sent, page, body: response.body.clone() });
            self.pull.succeeded();
            self.retry_at_once(Which::Pull, now);
            return Ok(());
        }
        self.take_page(store, ctx, &sent, &page, body, inputs, actions)
    }

    /// Stages the page whose successor has been asked for meanwhile.
    pub(super) fn stage_held(
        &mut self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        inputs: &mut Inputs<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<()> {
        let Some(HeldPage { sent, page, body }) = self.held.take() else { return Ok(()) };
        let body = std::str::from_utf8(&body).map_err(|_| Error::internal("a page that was read is text"))?;
        let under_way = self.pull.in_flight.take();
        self.take_page(store, ctx, &sent, &page, body, inputs, actions)?;
        // If it was not staged, the one after it is of no use: its answer is late when it comes.
        if store_stands_at(store, under_way.as_ref())? {
            self.pull.in_flight = under_way;
        }
        Ok(())
    }

    /// Where the next pull begins.
    pub(super) fn position<'m>(&'m self, meta: &'m Meta) -> Option<&'m String> {
        self.held.as_ref().map(|held| &held.page.cookie).or_else(|| meta.position())
    }

    /// Whether a page waits to be staged.
    pub(crate) fn holds_page(&self) -> bool {
        self.held.is_some()
    }

    /// Applies a page, or stages it.
    #[expect(clippy::too_many_arguments, reason = "one step of `pull_answered`")]
    fn take_page(
        &mut self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        sent: &InFlight<SentPull>,
        page: &PullResponse,
        body: &str,
        inputs: &mut Inputs<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<()> {
        let now = inputs.now;
        let always_replay = self.options.always_replay;
        let keep = self.options.applied_outcomes;
        // A file cannot be attached inside of a transaction.
        let attached = if page.partial { Ok(false) } else { self.attach_image(store) };
        let taken = attached.and_then(|attached| {
            let take = |rebase: &mut Rebase<'_>| take(rebase, sent, page, body, always_replay, keep, now);
            let taken = self.rebase(store, ctx, actions, take);
            if attached {
                crate::client::image::detach(store)?;
            }
            taken
        });
        match taken {
            Ok(Taken::Stale) => {
                self.retry_at_once(Which::Pull, now);
                Ok(())
            }
            Ok(Taken::Rotate(rotation)) => self.rotate(store, ctx, rotation, inputs, actions),
            Ok(Taken::Staged) => Ok(()),
            Ok(Taken::Applied { learned, observed }) => {
                self.forget_image(store)?;
                self.tell_outcomes(learned, actions);
                for key in observed {
                    actions.push(Action::Progress { key, progress: Progress::Observed });
                }
                self.pulled(sent, page, inputs);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Protocol => {
                // A page that cannot be applied is the server's mistake. If it stands on staged pages, the set begins
                // anew: one of them may be the bad one.
                transaction(store, |store| {
                    let mut meta = Meta::load(store)?;
                    inbox::clear(store, &mut meta)
                })?;
                let until = self.pull.failed(now, None, &self.options, inputs.entropy);
                self.pull.trouble = Some(Stuck::Backoff { until });
                self.at_head = false;
                self.report(ClientErrorKind::PullHttp, error, now, actions);
                Ok(())
            }
            Err(error) => {
                // The store failed; ask again once it may work.
                self.pull.failed(now, None, &self.options, inputs.entropy);
                Err(error)
            }
        }
    }

    /// Plans the next pull after a page was applied.
    fn pulled(&mut self, sent: &InFlight<SentPull>, page: &PullResponse, inputs: &mut Inputs<'_>) {
        let now = inputs.now;
        self.pull.succeeded();
        self.blocked = None;
        self.forget_error();
        let again = std::mem::take(&mut self.pull.again);
        if page.has_more {
            self.at_head = false;
            self.retry_at_once(Which::Pull, now);
            return;
        }
        self.last_pull_ms = Some(now);
        self.at_head = true;
        let nothing = page.patch.is_empty() && page.last_mutation_ids.is_empty();
        let waited = now.saturating_sub(sent.sent_at);
        let wait = i64::try_from(sent.what.wait).unwrap_or(i64::MAX);
        // A server at its cap of held pulls answers at once; asking again at once would be a busy loop.
        let held = self.options.long_poll_ms > 0 && (wait == 0 || !nothing || waited >= wait / 2);
        let pause = if held || again { 0 } else { jittered(self.options.poll_interval_ms, inputs.entropy) };
        self.pull.not_before = now.saturating_add(pause);
    }
}

/// Takes a page, in one transaction.
fn take(
    rebase: &mut Rebase<'_>,
    sent: &InFlight<SentPull>,
    page: &PullResponse,
    body: &str,
    always_replay: bool,
    keep: u64,
    now: i64,
) -> Result<Taken> {
    let mut meta = Meta::load(rebase.writer.store)?;
    if meta.client_id != sent.client_id || meta.position() != sent.what.cookie.as_ref() {
        return Ok(Taken::Stale);
    }
    if page.partial {
        if !page.has_more {
            return Err(Error::new(ErrorKind::Protocol, "a partial page must be followed by more"));
        }
        check_tables(rebase, page)?;
        inbox::stage(rebase.writer.store, &mut meta, page, body, sent.what.acknowledged)?;
        return Ok(Taken::Staged);
    }
    let mine = page.last_mutation_ids.get(&meta.client_id).copied();
    if let Some(rotation) = look_for_another_history(rebase, &meta, sent, page, mine)? {
        return Ok(Taken::Rotate(rotation));
    }
    let last = mine.unwrap_or(0);
    let mut learned = Vec::new();
    let mut observed = Vec::new();
    for entry in outbox::up_to(rebase.writer.store, last)? {
        let result = page.results.iter().find(|result| result.id == entry.id);
        learned.extend(learn(rebase.writer.store, &meta, &entry, result, now)?);
        observed.push(entry.key);
    }
    let key = match outbox::by_id(rebase.writer.store, last)? {
        Some(entry) => Some(entry.key.to_string()),
        None => page.last_key.clone(),
    };
    rebase.apply(&mut meta, page, last, always_replay)?;
    let store = &mut *rebase.writer.store;
    if last > 0 {
        identity::acknowledge(store, &mut meta, last, key.as_deref())?;
    }
    inbox::clear(store, &mut meta)?;
    identity::set(store, keys::COOKIE, Some(&page.cookie))?;
    if !page.has_more {
        identity::set(store, keys::LAST_PULL, Some(&now.to_string()))?;
    }
    outcomes::trim(store, keep)?;
    Ok(Taken::Applied { learned, observed })
}

/// A page that names tables we do not have is refused before it is staged, not when the set is applied.
fn check_tables(rebase: &Rebase<'_>, page: &PullResponse) -> Result<()> {
    for op in &page.patch {
        match op {
            PatchOp::Clear { table: None } => {}
            PatchOp::Clear { table: Some(table) } | PatchOp::Put { table, .. } | PatchOp::Del { table, .. } => {
                rebase.writer.texts.synced(table)?;
            }
        }
    }
    Ok(())
}

/// Whether the server speaks of another history than this store's: it lost mutations it had acknowledged, or another
/// copy of this store issued mutations under our client id.
fn look_for_another_history(
    rebase: &mut Rebase<'_>,
    meta: &Meta,
    sent: &InFlight<SentPull>,
    page: &PullResponse,
    mine: Option<u64>,
) -> Result<Option<Rotation>> {
    let store = &mut *rebase.writer.store;
    let empties = |page: &PullResponse| page.patch.iter().any(|op| matches!(op, PatchOp::Clear { table: None }));
    let mut reset = meta.cookie.is_none() || empties(page);
    let staged_clears = inbox::state(store)?.clears;
    let mut position = 0;
    while staged_clears && !reset {
        match inbox::next(store, position)? {
            Some((seq, page)) => {
                reset = empties(&page);
                position = seq;
            }
            None => break,
        }
    }
    let last = mine.unwrap_or(0);
    // A set shows the server as it was when its first page was asked for: what was acknowledged since is not lost.
    if reset && last < meta.inbox_acknowledged.unwrap_or(sent.what.acknowledged) {
        return Ok(Some(Rotation::Lost { from: last + 1 }));
    }
    // Without a reset the server still has our position, but may have lost what it acknowledged after it. A page that
    // reaches the head covers all that was acknowledged before it was asked for.
    if !page.has_more
        && let Some(from) = outbox::first_acknowledged(store, last, sent.what.acknowledged)?
    {
        return Ok(Some(Rotation::Lost { from }));
    }
    if last == 0 {
        return Ok(None);
    }
    let (_, issued) = outbox::issued(store)?;
    if last > issued {
        return Ok(Some(Rotation::Forked));
    }
    let ours = match outbox::by_id(store, last)? {
        Some(entry) => Some(entry.key.to_string()),
        None if last == meta.acknowledged => meta.acknowledged_key.clone(),
        None => None,
    };
    let differs = matches!((&ours, &page.last_key), (Some(ours), Some(theirs)) if ours != theirs);
    Ok(differs.then_some(Rotation::Forked))
}
