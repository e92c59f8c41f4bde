//! Answers of a push.

use super::Engine;
use super::response::{Refused, Which, WireErrorExt, not_the_protocol, sort, wire_error};
use crate::client::event::{Action, ClientError, ClientErrorKind, Inputs, SendFailure};
use crate::client::identity::{self, Meta, keys};
use crate::client::outbox::{self, QueuedMutation, Skip};
use crate::client::outcomes::{self, Outcome, OutcomeStatus};
use crate::client::rotate::Rotation;
use crate::client::rows::transaction;
use crate::client::schedule::{InFlight, SentMutation, SentPush};
use crate::client::status::{Drift, Stuck};
use crate::error::{Error, ErrorKind, Result};
use crate::mutate::ErasedCtx;
use crate::protocol::{MutationError, MutationResult, MutationStatus, PushResponse, WireResponse};
use crate::store::SqlConnection;

impl Engine {
    pub(super) fn push_answered(
        &mut self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        sent: InFlight<SentPush>,
        outcome: Result<WireResponse, SendFailure>,
        inputs: &mut Inputs<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<()> {
        let now = inputs.now;
        match sort(outcome) {
            Ok(response) => match serde_json::from_slice::<PushResponse>(&response.body) {
                Ok(answer) if answer.ok => {
                    self.network_down = false;
                    let moved = self.take_results(store, &sent, &answer.results, now, actions)?;
                    if !moved {
                        // A success that decides nothing would be asked for again, for ever.
                        let error = Error::new(ErrorKind::Protocol, "the answer to the push decides no mutation of it");
                        self.network_failure(Which::Push, error, inputs, actions);
                        return Ok(());
                    }
                    self.push.succeeded();
                    self.blocked = None;
                    self.push.not_before = now;
                    self.forget_error();
                    self.batch_limit = self.batch_limit.saturating_mul(2).min(self.options.push_limit.max(1));
                    // Fetch the canonical effects, unless a held pull will bring them.
                    self.pull_soon(now);
                    Ok(())
                }
                _ => {
                    self.network_failure(Which::Push, not_the_protocol("status 200"), inputs, actions);
                    Ok(())
                }
            },
            Err(Err(error)) => {
                self.network_failure(Which::Push, error, inputs, actions);
                Ok(())
            }
            Err(Ok(refused)) if refused.status == 413 => self.too_large(store, ctx, &sent, refused, inputs, actions),
            Err(Ok(refused)) if refused.error.error == "mutation-gap" => {
                self.gap(store, ctx, &sent, refused, inputs, actions)
            }
            Err(Ok(refused)) => {
                // An answer to a client id we no longer have says nothing about the one we have.
                if self.client_id(store)? != sent.client_id {
                    self.retry_at_once(Which::Push, now);
                    return Ok(());
                }
                self.refused(store, ctx, Which::Push, refused, inputs, actions)
            }
        }
    }

    /// Records how mutations ended. True when one of them was news.
    fn take_results(
        &mut self,
        store: &mut dyn SqlConnection,
        sent: &InFlight<SentPush>,
        results: &[MutationResult],
        now: i64,
        actions: &mut Vec<Action>,
    ) -> Result<bool> {
        let keep = self.options.applied_outcomes;
        let (moved, learned, compared) = transaction(store, |store| {
            let mut meta = Meta::load(store)?;
            let mut learned = Vec::new();
            let mut compared = Vec::new();
            let mut moved = false;
            if meta.client_id != sent.client_id {
                // The ids were renumbered under way. The keys go out again and are answered as duplicates.
                return Ok((true, learned, compared));
            }
            for result in results {
                let Some(asked) = sent.what.entries.iter().find(|asked| asked.id == result.id) else { continue };
                let (id, key) = (asked.id, asked.key);
                moved = true;
                let Some(entry) = outbox::by_id(store, id)?.filter(|entry| entry.key == key) else { continue };
                outbox::mark_acknowledged(store, id)?;
                identity::acknowledge(store, &mut meta, id, Some(&key.to_string()))?;
                learned.extend(learn(store, &meta, &entry, Some(result), now)?);
                if let (Some(here), Some(there)) = (&asked.effects, &result.effects) {
                    let equal = here.writes == *there;
                    if !equal {
                        let drift = serde_json::json!({ "mutator": entry.name, "key": key.to_string(), "at": now });
                        identity::set(store, keys::DRIFT, Some(&drift.to_string()))?;
                    }
                    compared.push((key, entry.name, equal));
                }
            }
            outcomes::trim(store, keep)?;
            Ok((moved, learned, compared))
        })?;
        self.refresh(store)?;
        for (key, name, equal) in compared {
            self.stats.compared += 1;
            if !equal {
                self.drifted(key, name, now, actions);
            }
        }
        self.tell_outcomes(learned, actions);
        Ok(moved)
    }

    /// The canonical run was told what our run was told, and wrote something else.
    fn drifted(&mut self, key: uuid::Uuid, name: String, now: i64, actions: &mut Vec<Action>) {
        let error = Error::new(
            ErrorKind::Drift,
            format!(
                "the mutator `{name}` did something else on the server than here, although both runs were given the same \
                 arguments and read the same: it depends on a clock, a random source, a global variable or the order of \
                 a `HashMap` (take `tx.now()`, `tx.new_id()`, `tx.random()`), it was given another context there, or the \
                 two programs hold different versions of it"
            ),
        )
        .with_data(serde_json::json!({ "mutator": name }));
        let count = self.drift.as_ref().map_or(0, |drift| drift.count) + 1;
        self.drift = Some(Drift { count, key, name, at_ms: now });
        actions.push(Action::Report(ClientError { kind: ClientErrorKind::Drift, error, key: Some(key) }));
    }

    /// 413: smaller batches; a mutation that is too large alone never runs.
    fn too_large(
        &mut self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        sent: &InFlight<SentPush>,
        refused: Refused,
        inputs: &mut Inputs<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<()> {
        let now = inputs.now;
        self.network_down = false;
        self.report(ClientErrorKind::PushHttp, wire_error(&refused.error), now, actions);
        self.push.trouble = Some(Stuck::TooLarge);
        let count = sent.what.entries.len();
        if let ([SentMutation { id, key, .. }], true) =
            (sent.what.entries.as_slice(), sent.client_id == self.client_id(store)?)
        {
            let learned = self.rebase(store, ctx, actions, |rebase| {
                let store = &mut *rebase.writer.store;
                let entry = outbox::by_id(store, *id)?.filter(|entry| entry.key == *key && entry.skip.is_none());
                let Some(entry) = entry else { return Ok(None) };
                outbox::mark_skipped(store, *id, Skip::TooLarge)?;
                let meta = Meta::load(store)?;
                let outcome = outcomes::record(store, &meta, &entry, OutcomeStatus::TooLarge, None, now)?;
                rebase.anew()?;
                Ok(Some(outcome))
            })?;
            if learned.is_none() {
                // Even its skip is too large for whoever is in between: no use in asking at once.
                self.network_failure(Which::Push, not_the_protocol("413 to an empty push"), inputs, actions);
                return Ok(());
            }
            self.tell_outcomes(learned.into_iter().collect(), actions);
        }
        let half = (count / 2).max(1);
        let limit = refused.error.number("limit").and_then(|limit| usize::try_from(limit).ok());
        self.batch_limit = match limit {
            Some(limit) if refused.error.error == "too-many-mutations" && limit < count => limit.max(1),
            _ => half,
        };
        self.retry_at_once(Which::Push, now);
        Ok(())
    }

    /// The server waits for an id that is not at the head of the queue: it lost what it had acknowledged, or this store
    /// lost a mutation.
    fn gap(
        &mut self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        sent: &InFlight<SentPush>,
        refused: Refused,
        inputs: &mut Inputs<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<()> {
        let now = inputs.now;
        self.network_down = false;
        let results = refused.error.members.get("results").cloned();
        let results: Vec<MutationResult> =
            results.and_then(|results| serde_json::from_value(results).ok()).unwrap_or_default();
        self.take_results(store, sent, &results, now, actions)?;
        let meta = Meta::load(store)?;
        if meta.client_id != sent.client_id {
            self.retry_at_once(Which::Push, now);
            return Ok(());
        }
        let expected = refused.error.number("expected").unwrap_or(0);
        if expected >= 1 && expected <= meta.acknowledged {
            return self.rotate(store, ctx, Rotation::Lost { from: expected }, inputs, actions);
        }
        let error = wire_error(&refused.error);
        let until = self.push.failed(now, refused.retry_after_ms, &self.options, inputs.entropy);
        // The first time the queue may simply have moved on under another process.
        if self.push.failures == 1 {
            self.push.not_before = until.min(now);
        }
        self.push.trouble = Some(Stuck::Gap { expected });
        self.report(ClientErrorKind::PushHttp, error, now, actions);
        Ok(())
    }

    /// Clears the last error once nothing fails any more.
    pub(super) fn forget_error(&mut self) {
        if self.push.trouble.is_none() && self.pull.trouble.is_none() {
            self.last_error = None;
            self.reset_done = false;
            self.rotations = 0;
        }
    }
}

/// Records the outcome of a mutation the server has decided, unless it is known already. Without a result (a pull that
/// names none) a mutation whose push was never answered was applied: the server names every other end.
pub(super) fn learn(
    store: &mut dyn SqlConnection,
    meta: &Meta,
    entry: &QueuedMutation,
    result: Option<&MutationResult>,
    now: i64,
) -> Result<Option<Outcome>> {
    let skipped = match entry.skip {
        Some(Skip::TooLarge) => OutcomeStatus::TooLarge,
        Some(Skip::Discarded) | None => OutcomeStatus::Discarded,
    };
    let status = match result.map(|result| (result.status, result.was)) {
        None if entry.acknowledged => OutcomeStatus::Unknown,
        None => OutcomeStatus::Applied,
        Some((MutationStatus::Duplicate, None | Some(MutationStatus::Duplicate))) => {
            // It never counts as success by itself. The pull that covers it may say more.
            return Ok(None);
        }
        Some((MutationStatus::Duplicate, Some(was)) | (was, _)) => match was {
            MutationStatus::Applied | MutationStatus::Duplicate => OutcomeStatus::Applied,
            MutationStatus::Rejected => OutcomeStatus::Rejected,
            MutationStatus::Skipped => skipped,
        },
    };
    if let Some(known) = outcomes::get(store, entry.key)? {
        // A skip is noted before the server has heard of it. Another copy of this store may have sent the mutation: then
        // the server knows its key, and what it says is the truth.
        let premature = matches!(known.status, OutcomeStatus::Discarded | OutcomeStatus::TooLarge)
            && matches!(status, OutcomeStatus::Applied | OutcomeStatus::Rejected)
            && result.is_some();
        if known.status != OutcomeStatus::LostByServer && !premature {
            return Ok(None);
        }
    }
    let nameless = MutationError { code: "rejected".to_owned(), message: String::new(), data: None };
    let error = match status {
        OutcomeStatus::Rejected => Some(result.and_then(|result| result.error.as_ref()).unwrap_or(&nameless)),
        _ => None,
    };
    outcomes::record(store, meta, entry, status, error, now).map(Some)
}
