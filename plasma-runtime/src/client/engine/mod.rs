//! The client engine: a state machine over a store. Events in, actions out; see [`event`](super::event).
//!
//! The store is passed to every call and written inside transactions; ids, cookie, outbox and lease are read inside
//! them, never kept between two, so that several processes may have one store open. What the engine keeps is the
//! schedule: what is under way, what failed, when to try again.

mod control;
mod image;
mod migrate;
mod mutate;
mod open;
mod options;
mod pull;
mod push;
mod response;
mod rotate;
mod send;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use uuid::Uuid;

pub use control::Losses;
pub use mutate::{LocalRun, Mutated};
pub use options::{Durability, EngineOptions, OnMismatch, RetryPolicy, SignOut};

use super::at_rest::{self, AtRestCipher};
use super::event::{Action, Batch, ClientError, ClientErrorKind, Event, Inputs, Progress};
use super::identity::{self, Meta, keys, random_uuid};
use super::lease;
use super::outbox::{self, QueuedMutation};
use super::outcomes::{self, Outcome, OutcomeStatus};
use super::pending::Pending;
use super::rebase::{Rebase, Stats};
use super::rows::{Texts, Writer, fold, transaction};
use super::schedule::{Channel, SentPull, SentPush, delay_ms};
use super::status::{Drift, LastError, Status, Stuck};
use crate::error::{Error, ErrorKind, Result};
use crate::mutate::ErasedCtx;
use crate::schema::Definition;
use crate::store::SqlConnection;

/// The client engine.
#[derive(Debug)]
pub struct Engine {
    definition: Arc<Definition>,
    options: EngineOptions,
    texts: Texts,
    /// What seals the store's columns, if any is sealed.
    cipher: Option<Arc<AtRestCipher>>,
    /// Names this engine in the lease.
    holder: String,
    group: Option<String>,
    closed: bool,
    started: bool,
    offline: bool,
    push: Channel<SentPush>,
    pull: Channel<SentPull>,
    next_request: u64,
    /// Mutations of the next push at most: halved by 413, doubled by success.
    batch_limit: usize,
    /// The server refuses this client; cleared by a start.
    blocked: Option<Stuck>,
    /// Another process syncs until then (unix ms).
    follows_until: Option<i64>,
    /// The store failed; nothing is tried before this time (unix ms).
    storage_until: Option<i64>,
    storage_failures: u32,
    /// The last attempt got no answer.
    network_down: bool,
    /// When the lease is to be renewed, unix ms.
    lease_due: i64,
    /// What the clock showed last, unix ms.
    clock: i64,
    /// Client ids taken since the last success.
    rotations: u32,
    /// The server's head was reached: the next pull may be held.
    at_head: bool,
    /// Whether the rest of a snapshot is asked for as a file.
    image: image::ImageLane,
    /// Files of images may be there, staged or left.
    image_files: bool,
    /// The hash of the image this engine has checked and staged.
    checked_image: Option<String>,
    /// The pending mutations must run again: the tables changed their shape.
    replay_due: bool,
    /// `OnMismatch::Reset` was done since the last success.
    reset_done: bool,
    /// A page that is not staged yet.
    held: Option<pull::HeldPage>,
    /// What the pending mutations have touched.
    pending: Pending,
    /// Open group of write-behind mutations.
    group_commit: Option<mutate::GroupCommit>,
    /// What the status says of the outbox, as of this engine's last transaction.
    counts: Counts,
    last_pull_ms: Option<i64>,
    last_error: Option<LastError>,
    version: u64,
    stats: Stats,
    drift: Option<Drift>,
    told: Option<Status>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    queued: u64,
    all: u64,
    oldest_ms: Option<i64>,
}

impl Engine {
    /// Opens a store: makes or checks its tables, carries a changed schema over.
    ///
    /// # Errors
    /// [`WrongStore`](ErrorKind::WrongStore) when the store belongs to another group or application, or was written by
    /// a newer version; [`Storage`](ErrorKind::Storage).
    pub fn open(
        store: &mut dyn SqlConnection,
        definition: Arc<Definition>,
        mut options: EngineOptions,
        inputs: &mut Inputs<'_>,
    ) -> Result<(Engine, Vec<Action>)> {
        let opened = open::open(store, &definition, &options, inputs.entropy)?;
        if opened.cipher.is_some()
            && let Some(beside) = options.image.take()
        {
            // The rows of an image lie in its file in clear.
            crate::client::image::wipe(&beside);
        }
        crate::store::checks::take_over(store)?;
        let mut first_request = [0; 8];
        inputs.entropy.fill(&mut first_request);
        let mut engine = Engine {
            texts: Texts::new(&definition.schema),
            definition,
            holder: random_uuid(inputs.entropy).to_string(),
            cipher: opened.cipher,
            group: opened.group,
            closed: false,
            started: false,
            offline: false,
            push: Channel::default(),
            pull: Channel::default(),
            // Requests of an earlier engine must not be taken for ours. 47 bits, so that they stay exact everywhere.
            next_request: u64::from_le_bytes(first_request) >> 17,
            batch_limit: options.push_limit.max(1),
            blocked: None,
            follows_until: None,
            storage_until: None,
            storage_failures: 0,
            network_down: false,
            lease_due: 0,
            clock: inputs.now,
            rotations: 0,
            at_head: false,
            image: image::ImageLane::Untried,
            image_files: true,
            checked_image: None,
            replay_due: opened.replay_due,
            reset_done: false,
            held: None,
            pending: Pending::default(),
            group_commit: None,
            counts: Counts::default(),
            last_pull_ms: None,
            last_error: None,
            version: 0,
            stats: Stats::default(),
            drift: None,
            told: None,
            options,
        };
        engine.refresh(store)?;
        if let Some(beside) = &engine.options.image {
            crate::client::image::sweep(store, beside)?;
        }
        engine.last_pull_ms = Meta::load(store)?.last_pull;
        let actions = opened.reports.into_iter().map(Action::Report).collect();
        Ok((engine, actions))
    }

    /// Takes an event. A failure of the store is reported as an action and tried again, not returned.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) after a sign-out.
    pub fn handle(
        &mut self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        event: Event,
        inputs: &mut Inputs<'_>,
    ) -> Result<Vec<Action>> {
        self.check_open()?;
        self.note_clock(inputs.now);
        let mut actions = Vec::new();
        // Each step notes its own failure: an event must not get lost because an earlier step failed.
        let flushed = self.flush_group(store, &mut actions);
        self.note_storage(flushed, inputs, &mut actions);
        let replayed = self.replay_if_due(store, ctx, &mut actions);
        self.note_storage(replayed, inputs, &mut actions);
        let staged = self.stage_held(store, ctx, inputs, &mut actions);
        self.note_storage(staged, inputs, &mut actions);
        let taken = self.take_event(store, ctx, event, inputs, &mut actions);
        self.note_storage(taken, inputs, &mut actions);
        self.finish(store, inputs, &mut actions);
        Ok(actions)
    }

    fn take_event(
        &mut self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        event: Event,
        inputs: &mut Inputs<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<()> {
        let now = inputs.now;
        match event {
            Event::Start => {
                self.started = true;
                self.blocked = None;
                self.follows_until = None;
                self.storage_until = None;
                self.push.restart(now);
                self.pull.restart(now);
                self.refresh(store)?;
            }
            Event::Stop => {
                self.started = false;
                self.at_head = false;
                transaction(store, |store| lease::release(store, &self.holder))?;
            }
            Event::Tick => {
                if self.storage_until.is_some_and(|until| now >= until) {
                    self.storage_until = None;
                    self.refresh(store)?;
                }
                if self.follows_until.is_some_and(|until| now >= until) {
                    self.follows_until = None;
                }
                self.watchdog(inputs, actions);
            }
            Event::SetOffline(offline) => {
                if self.offline && !offline {
                    self.push.restart(now);
                    self.pull.restart(now);
                }
                self.offline = offline;
                self.at_head = false;
            }
            Event::Poke => {
                self.pull_soon(now);
            }
            Event::PushNow => {
                self.refresh(store)?;
                self.push.forced = !self.offline && self.counts.queued > 0;
            }
            Event::PullNow => {
                self.pull.forced = !self.offline;
                // One that the server holds would keep it waiting: its answer is late when it comes.
                if self.pull.forced && self.pull.in_flight.as_ref().is_some_and(|sent| sent.what.wait > 0) {
                    self.pull.in_flight = None;
                }
            }
            Event::ForeignChange => {
                self.refresh(store)?;
                self.changed_all(actions);
            }
            Event::Response { request, outcome } => {
                if let Some(sent) = self.push.take(request) {
                    self.push_answered(store, ctx, sent, outcome, inputs, actions)?;
                } else if let Some(sent) = self.pull.take(request) {
                    self.pull_answered(store, ctx, sent, outcome, inputs, actions)?;
                }
                // Else it is late or a duplicate: that request was answered, or given up.
            }
        }
        Ok(())
    }

    /// The state of the loop. `now` is unix ms.
    pub fn status(&self, now: i64) -> Status {
        Status {
            online: !self.offline && !self.network_down,
            started: self.started,
            pending: self.counts.queued,
            unobserved: self.counts.all,
            oldest_pending_ms: self.counts.oldest_ms,
            uploading: self.push.in_flight.is_some(),
            downloading: self.pull.in_flight.is_some(),
            last_pull_ms: self.last_pull_ms,
            last_error: self.last_error.clone(),
            stuck: self.stuck(now),
            drift: self.drift.clone(),
        }
    }

    fn stuck(&self, now: i64) -> Option<Stuck> {
        if self.options.base_path.is_none() {
            return Some(Stuck::NoServer);
        }
        if self.group.is_none() {
            return Some(Stuck::NoGroup);
        }
        if self.offline {
            return Some(Stuck::Offline);
        }
        if self.blocked.is_some() {
            return self.blocked.clone();
        }
        if let Some(until) = self.storage_until {
            return Some(Stuck::Storage { until });
        }
        if self.counts.queued > 0 && self.push.trouble.is_some() {
            return self.push.trouble.clone();
        }
        if self.pull.trouble.is_some() {
            return self.pull.trouble.clone();
        }
        if !self.started {
            return Some(Stuck::Stopped);
        }
        self.follows_until.filter(|until| *until > now).map(|until| Stuck::NotLeader { until })
    }

    /// How mutations ended, oldest first; dismissed ones left out.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage).
    pub fn outcomes(&self, store: &mut dyn SqlConnection) -> Result<Vec<Outcome>> {
        outcomes::list(store)
    }

    /// How one mutation ended; none while it is queued, after it was dismissed, or when it was never known.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage).
    pub fn outcome(&self, store: &mut dyn SqlConnection, key: Uuid) -> Result<Option<Outcome>> {
        outcomes::get(store, key)
    }

    /// The mutations in the outbox, in order.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage).
    pub fn outbox(&self, store: &mut dyn SqlConnection) -> Result<Vec<QueuedMutation>> {
        let mut all = outbox::list(store)?;
        all.extend(self.group_entries());
        Ok(all)
    }

    /// The store's client id. It changes when the store was copied, expired, or the server lost its history.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage).
    pub fn client_id(&self, store: &mut dyn SqlConnection) -> Result<String> {
        Ok(Meta::load(store)?.client_id)
    }

    /// The cookie of the base: where it stands in the server's history; none before the first pull.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage).
    pub fn cookie(&self, store: &mut dyn SqlConnection) -> Result<Option<String>> {
        Ok(Meta::load(store)?.cookie)
    }

    /// How the pulls since the open were applied.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Lets another connection to the same store read it, in a transaction or out of one.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when the store is encrypted and this connection cannot decrypt;
    /// [`Storage`](ErrorKind::Storage).
    pub fn lend_key(&self, reader: &mut dyn SqlConnection) -> Result<()> {
        at_rest::lend(reader, self.cipher.as_ref())
    }

    /// The settings the engine was opened with.
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    fn check_open(&self) -> Result<()> {
        if self.closed {
            return Err(Error::new(ErrorKind::Closed, "the client was signed out of its store"));
        }
        Ok(())
    }

    /// Reads again what the status says of the outbox.
    fn refresh(&mut self, store: &mut dyn SqlConnection) -> Result<()> {
        let (queued, all, oldest_ms) = outbox::counts(store)?;
        self.counts = Counts { queued, all, oldest_ms };
        Ok(())
    }

    /// There is something to pull: now, or right after the pull that is under way and may have missed it.
    fn pull_soon(&mut self, now: i64) {
        if self.pull.failures == 0 {
            self.pull.not_before = now;
            self.pull.again = self.pull.in_flight.as_ref().is_some_and(|sent| sent.what.wait == 0);
        }
    }

    /// Runs `work` as a rebase in one transaction and tells what it changed.
    fn rebase<T>(
        &mut self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        actions: &mut Vec<Action>,
        work: impl FnOnce(&mut Rebase<'_>) -> Result<T>,
    ) -> Result<T> {
        let (definition, texts) = (&self.definition, &self.texts);
        let pending = std::mem::take(&mut self.pending);
        let (value, journal, all, failing, stats, pending) = transaction(store, |store| {
            let mut rebase = Rebase::new(Writer::new(store, texts), definition, ctx, pending);
            let value = work(&mut rebase)?;
            Ok((value, rebase.writer.journal, rebase.all, rebase.failing, rebase.stats, rebase.pending))
        })?;
        // Only rows were written, and by us: the outbox is what it was.
        let same_outbox = stats.disjoint > 0 && pending.alone;
        self.pending = pending;
        self.stats.confirmed += stats.confirmed;
        self.stats.disjoint += stats.disjoint;
        self.stats.replayed += stats.replayed;
        self.stats.cleared += stats.cleared;
        self.stats.replays += stats.replays;
        if all {
            self.changed_all(actions);
        } else {
            self.changed(fold(journal), actions);
        }
        for (key, error) in failing {
            let kind = ClientErrorKind::RebaseReplay;
            actions.push(Action::Report(ClientError { kind, error, key: Some(key) }));
        }
        if !same_outbox {
            self.refresh(store)?;
        }
        Ok(value)
    }

    /// Runs the pending mutations again after the tables changed their shape.
    fn replay_if_due(
        &mut self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        actions: &mut Vec<Action>,
    ) -> Result<()> {
        if !self.replay_due {
            return Ok(());
        }
        self.rebase(store, ctx, actions, |rebase| {
            rebase.anew()?;
            identity::set(rebase.writer.store, keys::REPLAY, None)
        })?;
        self.replay_due = false;
        Ok(())
    }

    /// Tells of changes of rows, one a row ([`fold`]).
    fn changed(&mut self, changes: Vec<super::event::RowChange>, actions: &mut Vec<Action>) {
        if !changes.is_empty() {
            self.version += 1;
            actions.push(Action::Changed(Batch { version: self.version, changes, all: false }));
        }
    }

    fn changed_all(&mut self, actions: &mut Vec<Action>) {
        self.version += 1;
        actions.push(Action::Changed(Batch { version: self.version, changes: Vec::new(), all: true }));
    }

    /// Tells of outcomes that were just learned.
    fn tell_outcomes(&mut self, learned: Vec<Outcome>, actions: &mut Vec<Action>) {
        if learned.is_empty() {
            return;
        }
        actions.push(Action::OutcomesChanged);
        for outcome in learned {
            if outcome.status == OutcomeStatus::Rejected
                && let Err(error) = outcome.result()
            {
                let kind = ClientErrorKind::MutationRejected;
                actions.push(Action::Report(ClientError { kind, error, key: Some(outcome.key) }));
            }
            let progress = Progress::Acknowledged(outcome.result());
            actions.push(Action::Progress { key: outcome.key, progress });
        }
    }

    fn report(&mut self, kind: ClientErrorKind, error: Error, now: i64, actions: &mut Vec<Action>) {
        self.last_error =
            Some(LastError { kind, code: error.code().to_owned(), message: error.message().to_owned(), at_ms: now });
        actions.push(Action::Report(ClientError { kind, error, key: None }));
    }

    /// A failure of the store stops the loop for a while; it is never an answer of the server.
    fn note_storage(&mut self, result: Result<()>, inputs: &mut Inputs<'_>, actions: &mut Vec<Action>) {
        match result {
            Ok(()) => {
                if self.storage_until.is_none() {
                    self.storage_failures = 0;
                }
            }
            Err(error) => {
                self.storage_failures = self.storage_failures.saturating_add(1);
                let delay = delay_ms(self.storage_failures, &self.options, inputs.entropy);
                self.storage_until = Some(inputs.now.saturating_add(delay));
                self.report(ClientErrorKind::Storage, error, inputs.now, actions);
            }
        }
    }

    /// Sends what is due, says when to wake up, and whether the status changed.
    fn finish(&mut self, store: &mut dyn SqlConnection, inputs: &mut Inputs<'_>, actions: &mut Vec<Action>) {
        let sent = self.send_due(store, inputs, actions);
        if sent.is_err() {
            self.note_storage(sent, inputs, actions);
        }
        if let Some(at) = self.wake_at() {
            actions.push(Action::WakeAt(at.max(inputs.now)));
        }
        let status = self.status(inputs.now);
        if self.told.as_ref() != Some(&status) {
            self.told = Some(status);
            actions.push(Action::StatusChanged);
        }
    }

    /// A fresh request number.
    fn request(&mut self) -> u64 {
        self.next_request += 1;
        self.next_request
    }

    /// Gives up requests that were never answered.
    fn watchdog(&mut self, inputs: &mut Inputs<'_>, actions: &mut Vec<Action>) {
        let now = inputs.now;
        let lost = || Error::new(ErrorKind::Network, "the request was never answered");
        if self.push.in_flight.take_if(|sent| now >= sent.deadline).is_some() {
            self.network_failure(response::Which::Push, lost(), inputs, actions);
        }
        if self.pull.in_flight.take_if(|sent| now >= sent.deadline).is_some() {
            self.network_failure(response::Which::Pull, lost(), inputs, actions);
        }
    }
}
