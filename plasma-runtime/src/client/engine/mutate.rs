//! Optimistic runs: mutate and local writes.

use uuid::Uuid;

use super::Engine;
use crate::client::args;
use crate::client::effects;
use crate::client::event::{Action, ClientError, ClientErrorKind, Inputs, Progress, RowChange};
use crate::client::executor::{ClientExecutor, Mode};
use crate::client::identity::random_uuid;
use crate::client::outbox::{self, Run};
use crate::client::rows::{Writer, fold};
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

/// The open transaction of write-behind mutations.
#[derive(Debug)]
pub(super) struct GroupCommit {
    /// When it is committed at the latest, unix ms.
    pub(super) due: i64,
    keys: Vec<Uuid>,
    journal: Vec<RowChange>,
}

/// What a run did.
struct Ran {
    id: Option<u64>,
    journal: Vec<RowChange>,
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
        let mut actions = Vec::new();
        self.replay_if_due(store, ctx, &mut actions)?;
        let key = random_uuid(inputs.entropy);
        self.check_size(name, args, None)?;
        args::check(args)?;
        let ran =
            self.in_transaction(store, |engine, store| engine.run_first(store, ctx, key, name, args, inputs.now))?;
        if ran.id.is_some() {
            self.counts.queued += 1;
            self.counts.all += 1;
            self.counts.oldest_ms.get_or_insert(inputs.now);
        }
        self.committed(key, ran.journal, inputs.now, &mut actions);
        self.finish(store, inputs, &mut actions);
        Ok((Mutated { key, id: ran.id }, actions))
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
        let mut actions = Vec::new();
        let key = random_uuid(inputs.entropy);
        let envelope = TxMeta::new(Location::Client, Reason::Optimistic, key, inputs.now);
        let journal = self.in_transaction(store, |engine, store| {
            let mut writer = Writer::new(store, &engine.texts);
            let mut executor = ClientExecutor::new(&mut writer, &engine.definition, ctx, Mode::Local);
            executor.guarded(|executor| poll_once(run(executor, &envelope)))?;
            writer.check()?;
            Ok(writer.journal)
        })?;
        self.committed(key, journal, inputs.now, &mut actions);
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
        let version = self.definition.schema.version;
        let (client_id, issued) = outbox::issued(store)?;
        let id = issued + 1;
        if mutator.server_only {
            outbox::append(store, id, key, name, args, now, version, &Run::default())?;
            return Ok(Ran { id: Some(id), journal: Vec::new() });
        }
        let mut envelope = TxMeta::new(Location::Client, Reason::Optimistic, key, now);
        envelope.client_id = Some(client_id);
        envelope.mutation_id = Some(id);
        let mut writer = Writer::new(store, &self.texts);
        let mut executor = ClientExecutor::new(&mut writer, &self.definition, ctx, Mode::First);
        let effects = executor.run(mutator, &envelope, args)?;
        let local = executor.wrote_local && !executor.wrote_synced;
        let bases = std::mem::take(&mut executor.bases).into_json();
        let run = Run { reads: std::mem::take(&mut executor.reads), effects, bases };
        writer.check()?;
        if local {
            return Ok(Ran { id: None, journal: writer.journal });
        }
        self.check_size(name, args, run.bases.as_deref())?;
        let net = fold(writer.journal);
        effects::save(store, &self.texts, id, &net)?;
        outbox::append(store, id, key, name, args, now, version, &run)?;
        Ok(Ran { id: Some(id), journal: net })
    }

    /// One transaction, or one step of the open group under write-behind.
    fn in_transaction<T>(
        &mut self,
        store: &mut dyn SqlConnection,
        work: impl FnOnce(&Self, &mut dyn SqlConnection) -> Result<T>,
    ) -> Result<T> {
        if self.options.durability != Durability::WriteBehind {
            return crate::client::rows::transaction(store, |store| work(self, store));
        }
        if self.group_commit.is_none() {
            store.execute("BEGIN IMMEDIATE", &[])?;
            self.group_commit = Some(GroupCommit { due: i64::MAX, keys: Vec::new(), journal: Vec::new() });
        }
        let result = store.execute("SAVEPOINT plasma_group", &[]).and_then(|_| work(self, store));
        if !store.in_transaction() {
            // SQLite rolled the whole group back. Whoever waits for an earlier mutation of it hears of it at the flush.
            return result.and_then(|_| Err(Error::new(ErrorKind::Storage, "the store rolled the transaction back")));
        }
        if result.is_err() {
            store.execute("ROLLBACK TO plasma_group", &[])?;
        }
        store.execute("RELEASE plasma_group", &[])?;
        if result.is_err() && self.group_commit.as_ref().is_some_and(|group| group.keys.is_empty()) {
            // Nothing is waiting: no reason to keep the write lock.
            self.group_commit = None;
            store.execute("ROLLBACK", &[])?;
        }
        result
    }

    /// Tells of a step that is committed, or notes it in the group that will be.
    fn committed(&mut self, key: Uuid, journal: Vec<RowChange>, now: i64, actions: &mut Vec<Action>) {
        if let Some(group) = &mut self.group_commit {
            group.due = group.due.min(now.saturating_add(WRITE_BEHIND_MS));
            group.keys.push(key);
            group.journal.extend(journal);
        } else {
            self.changed(journal, actions);
            actions.push(Action::Progress { key, progress: Progress::Durable });
        }
    }

    /// Commits the group of write-behind mutations, if one is open.
    pub(super) fn flush_group(&mut self, store: &mut dyn SqlConnection, actions: &mut Vec<Action>) -> Result<()> {
        let Some(group) = self.group_commit.take() else { return Ok(()) };
        let committed = if store.in_transaction() {
            store.execute("COMMIT", &[]).map(|_| ())
        } else {
            Err(Error::new(ErrorKind::Storage, "the store rolled the transaction back"))
        };
        if let Err(error) = committed {
            if store.in_transaction() {
                store.execute("ROLLBACK", &[])?;
            }
            // Nobody was told that these are durable; now they hear that they are not.
            for key in group.keys {
                let error = Error::new(ErrorKind::Storage, "the mutation was not stored and is lost");
                actions.push(Action::Report(ClientError { kind: ClientErrorKind::Storage, error, key: Some(key) }));
            }
            self.refresh(store)?;
            return Err(error);
        }
        self.changed(group.journal, actions);
        for key in group.keys {
            actions.push(Action::Progress { key, progress: Progress::Durable });
        }
        Ok(())
    }
}
