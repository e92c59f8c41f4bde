//! Optimistic runs: mutate and local writes.

use uuid::Uuid;

use super::Engine;
use crate::client::args;
use crate::client::at_rest;
use crate::client::effects;
use crate::client::event::{Action, ClientError, ClientErrorKind, Inputs, Progress, RowChange};
use crate::client::executor::{ClientExecutor, Mode};
use crate::client::identity::random_uuid;
use crate::client::outbox::{self, QueuedMutation, Run};
use crate::client::rows::{Texts, Writer, fold};
use crate::error::{Error, ErrorKind, Result};
use crate::future::{BoxFuture, poll_once};
use crate::mutate::{ErasedCtx, Executor, Location, Reason, TxMeta};
use crate::store::SqlConnection;

use super::Durability;

/// A mutation that was applied locally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mutated {
    /// Its key, under which receipts and outcomes know it.
    pub key: Uuid,
    /// Its id in the outbox; none when it wrote only `local_only` tables and is not queued.
    pub id: Option<u64>,
}

/// A local write: see [`Engine::local`].
pub type LocalRun<'r> = Box<dyn for<'t> FnOnce(&'t mut dyn Executor, &'t TxMeta) -> BoxFuture<'t, Result<()>> + 'r>;

/// How long a write-behind mutation may wait for its commit, ms.
const WRITE_BEHIND_MS: i64 = 20;

/// The open transaction of write-behind mutations. The rows they changed are in it; outbox and effects are written
/// when it ends, all at once.
#[derive(Debug)]
pub(super) struct GroupCommit {
    /// When it is committed at the latest, unix ms.
    pub(super) due: i64,
    keys: Vec<Uuid>,
    entries: Vec<Entry>,
    client_id: String,
    issued: u64,
}

/// What is written down of a mutation beside the rows it changed.
#[derive(Debug)]
pub(super) struct Entry {
    id: u64,
    key: Uuid,
    name: String,
    args: String,
    now: i64,
    run: Run,
    net: Vec<RowChange>,
}

impl Entry {
    fn write(&self, store: &mut dyn SqlConnection, texts: &Texts, version: &str) -> Result<()> {
        effects::save(store, texts, self.id, &self.net)?;
        outbox::append(store, self.id, self.key, &self.name, &self.args, self.now, version, &self.run)
    }
}

/// What a run did.
struct Ran {
    /// None when it wrote only `local_only` tables.
    entry: Option<Entry>,
    /// The net of what it wrote, when that is not in the entry.
    net: Vec<RowChange>,
}

impl Engine {
    /// Runs a mutation optimistically and queues it, in one transaction. `args` is JSON.
    ///
    /// A `server_only` mutation is queued without being run. One that writes nothing but `local_only` tables is applied
    /// for good, takes no id and is not queued.
    ///
    /// # Errors
    /// The mutator's own error (nothing is queued then); [`UnknownMutator`](ErrorKind::UnknownMutator);
    /// [`InvalidArgs`](ErrorKind::InvalidArgs) when the arguments are not JSON the protocol can carry;
    /// [`TooLarge`](ErrorKind::TooLarge) when no push could carry it; [`Storage`](ErrorKind::Storage);
    /// [`Closed`](ErrorKind::Closed).
    pub fn mutate(
        &mut self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        name: &str,
        args: &str,
        inputs: &mut Inputs<'_>,
    ) -> Result<(Mutated, Vec<Action>)> {
        self.check_open()?;
        self.note_clock(inputs.now);
        let mut actions = Vec::new();
        self.replay_if_due(store, ctx, &mut actions)?;
        let key = random_uuid(inputs.entropy);
        self.check_size(name, args, &Run::default())?;
        args::check(args)?;
        let now = inputs.now;
        let ran = self.in_transaction(store, |engine, store| engine.run_first(store, ctx, key, name, args, now))?;
        let id = ran.entry.as_ref().map(|entry| entry.id);
        if id.is_some() {
            self.counts.queued += 1;
            self.counts.all += 1;
            self.counts.oldest_ms.get_or_insert(now);
        }
        self.committed(key, ran, now, &mut actions);
        self.finish(store, inputs, &mut actions);
        Ok((Mutated { key, id }, actions))
    }

    /// Writes `local_only` tables, outside of any mutation.
    ///
    /// # Errors
    /// Whatever `run` returns; [`Validation`](ErrorKind::Validation) when it writes a table that syncs;
    /// [`Closed`](ErrorKind::Closed).
    pub fn local(
        &mut self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        run: LocalRun<'_>,
        inputs: &mut Inputs<'_>,
    ) -> Result<Vec<Action>> {
        self.check_open()?;
        self.note_clock(inputs.now);
        let mut actions = Vec::new();
        let key = random_uuid(inputs.entropy);
        let envelope = TxMeta::new(Location::Client, Reason::Optimistic, key, inputs.now);
        let ran = self.in_transaction(store, |engine, store| {
            engine.attempt(store, |engine, writer| {
                let mut executor = ClientExecutor::new(writer, &engine.definition, ctx, Mode::Local);
                executor.guarded(|executor| poll_once(run(executor, &envelope)))?;
                writer.check()?;
                Ok(Ran { entry: None, net: fold(std::mem::take(&mut writer.journal)) })
            })
        })?;
        self.committed(key, ran, inputs.now, &mut actions);
        self.finish(store, inputs, &mut actions);
        Ok(actions)
    }

    fn run_first(
        &self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        key: Uuid,
        name: &str,
        args: &str,
        now: i64,
    ) -> Result<Ran> {
        let mutator = self
            .definition
            .mutator(name)
            .ok_or_else(|| Error::new(ErrorKind::UnknownMutator, format!("there is no mutator `{name}`")))?;
        let (client_id, issued) = match &self.group_commit {
            Some(group) => (group.client_id.clone(), group.issued),
            None => outbox::issued(store)?,
        };
        let id = issued + 1;
        let entry = |run, net| Entry { id, key, name: name.to_owned(), args: args.to_owned(), now, run, net };
        if mutator.server_only {
            return Ok(Ran { entry: Some(entry(Run::default(), Vec::new())), net: Vec::new() });
        }
        let mut envelope = TxMeta::new(Location::Client, Reason::Optimistic, key, now);
        envelope.client_id = Some(client_id);
        envelope.mutation_id = Some(id);
        self.attempt(store, |engine, writer| {
            let mut executor = ClientExecutor::new(writer, &engine.definition, ctx, Mode::First);
            let effects = executor.run(mutator, &envelope, args)?;
            let local = executor.wrote_local && !executor.wrote_synced;
            let bases = std::mem::take(&mut executor.bases).into_json();
            let observed = envelope.observed();
            let run = Run { reads: std::mem::take(&mut executor.reads), effects, bases, observed };
            writer.check()?;
            if !local {
                engine.check_size(name, args, &run)?;
            }
            let net = fold(std::mem::take(&mut writer.journal));
            Ok(if local { Ran { entry: None, net } } else { Ran { entry: Some(entry(run, net)), net: Vec::new() } })
        })
    }

    /// Runs something that writes. When it fails inside of a group, what it wrote is taken back by its journal: cheaper
    /// than a savepoint for every mutation, most of which succeed.
    fn attempt<T>(
        &self,
        store: &mut dyn SqlConnection,
        work: impl FnOnce(&Self, &mut Writer<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut writer = Writer::new(store, &self.texts);
        let result = work(self, &mut writer);
        if result.is_err() && self.group_commit.is_some() && writer.store.in_transaction() && writer.undo().is_err() {
            // Nothing is known of the transaction any more: the group is lost, and says so when it is flushed.
            writer.store.execute("ROLLBACK", &[])?;
        }
        result
    }

    /// One transaction, or one step of the open group under write-behind.
    fn in_transaction(
        &mut self,
        store: &mut dyn SqlConnection,
        work: impl FnOnce(&Self, &mut dyn SqlConnection) -> Result<Ran>,
    ) -> Result<Ran> {
        if self.options.durability != Durability::WriteBehind {
            return crate::client::rows::transaction(store, |store| {
                let ran = work(self, store)?;
                if let Some(entry) = &ran.entry {
                    entry.write(store, &self.texts, self.definition.schema.version)?;
                }
                Ok(ran)
            });
        }
        if self.group_commit.is_none() {
            store.execute("BEGIN IMMEDIATE", &[])?;
            let (client_id, issued) = match outbox::issued(store) {
                Ok(known) => known,
                Err(error) => {
                    store.execute("ROLLBACK", &[])?;
                    return Err(error);
                }
            };
            self.group_commit =
                Some(GroupCommit { due: i64::MAX, keys: Vec::new(), entries: Vec::new(), client_id, issued });
        }
        let result = work(self, store);
        if !store.in_transaction() {
            // SQLite rolled the whole group back. Whoever waits for an earlier mutation of it hears of it at the flush.
            return result.and_then(|_| Err(Error::new(ErrorKind::Storage, "the store rolled the transaction back")));
        }
        if result.is_err() && self.group_commit.as_ref().is_some_and(|group| group.keys.is_empty()) {
            // Nothing is waiting: no reason to keep the write lock.
            self.group_commit = None;
            store.execute("ROLLBACK", &[])?;
        }
        result
    }

    /// Tells of a step: listeners hear of its rows at once, who waits for the disk when it is committed.
    fn committed(&mut self, key: Uuid, ran: Ran, now: i64, actions: &mut Vec<Action>) {
        match &mut self.group_commit {
            Some(group) => {
                group.due = group.due.min(now.saturating_add(WRITE_BEHIND_MS));
                group.keys.push(key);
                let net = match ran.entry {
                    Some(entry) => {
                        group.issued = entry.id;
                        let net = entry.net.clone();
                        group.entries.push(entry);
                        net
                    }
                    None => ran.net,
                };
                self.changed(net, actions);
            }
            None => {
                self.changed(ran.entry.map_or(ran.net, |entry| entry.net), actions);
                actions.push(Action::Progress { key, progress: Progress::Durable });
            }
        }
    }

    /// The mutations of the open group, as the outbox will have them.
    pub(super) fn group_entries(&self) -> impl Iterator<Item = QueuedMutation> {
        let version = self.definition.schema.version;
        let entries = self.group_commit.iter().flat_map(|group| &group.entries);
        entries.map(move |entry| QueuedMutation {
            key: entry.key,
            id: entry.id,
            name: entry.name.clone(),
            args: entry.args.clone(),
            timestamp_ms: entry.now,
            acknowledged: false,
            skip: None,
            sent_ms: None,
            failing: None,
            effects: entry.run.effects.clone(),
            bases: entry.run.bases.clone(),
            made_by: Some(version.to_owned()),
            observed: entry.run.observed.clone(),
        })
    }

    /// Commits the group of write-behind mutations, if one is open.
    pub(super) fn flush_group(&mut self, store: &mut dyn SqlConnection, actions: &mut Vec<Action>) -> Result<()> {
        let Some(group) = self.group_commit.take() else { return Ok(()) };
        let committed = if store.in_transaction() {
            let version = self.definition.schema.version;
            let mut entries = group.entries.iter();
            let written = entries.try_for_each(|entry| entry.write(store, &self.texts, version));
            let written = written.and_then(|()| at_rest::count(store));
            written.and_then(|()| store.execute("COMMIT", &[]).map(|_| ()))
        } else {
            Err(Error::new(ErrorKind::Storage, "the store rolled the transaction back"))
        };
        if let Err(error) = committed {
            if store.in_transaction() {
                store.execute("ROLLBACK", &[])?;
            }
            // Nobody was told that these are durable; now they hear that they are not, and what was shown is shown anew.
            self.changed_all(actions);
            for key in group.keys {
                let error = Error::new(ErrorKind::Storage, "the mutation was not stored and is lost");
                actions.push(Action::Report(ClientError { kind: ClientErrorKind::Storage, error, key: Some(key) }));
            }
            self.refresh(store)?;
            return Err(error);
        }
        for key in group.keys {
            actions.push(Action::Progress { key, progress: Progress::Durable });
        }
        Ok(())
    }
}
