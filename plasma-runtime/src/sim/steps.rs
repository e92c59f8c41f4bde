//! What may happen in a run, chosen by the seed.

use super::node::NodeId;
use super::server::ServerId;
use super::workload::Rows;
use super::{Rare, World};
use crate::client::event::Event;
use crate::error::Result;
use crate::server::CompactionOptions;
use crate::store::sqlite::SqliteConnection;

impl World {
    /// One random step, and some time after it.
    pub(super) fn random_step(&mut self) -> Result<()> {
        let faults = self.settings.faults;
        let id = self.rng.below(self.nodes.len());
        let releases = self.versions.last() > 0;
        let kinds: [(u32, Step); 20] = [
            (40, Step::Mutate),
            (12, Step::Pass),
            (4, Step::PushNow),
            (6, Step::PullNow),
            (3, Step::Poke),
            (2, Step::Discard),
            (faults.offline, Step::ToggleOffline),
            (faults.partition, Step::TogglePartition),
            (faults.crash_client, Step::CrashClient),
            (faults.crash_client, Step::CrashClientMidway),
            (faults.crash_server, Step::CrashServer),
            (faults.restore, Step::BackUp),
            (faults.restore, Step::Restore),
            (faults.copy, Step::CopyStore),
            (faults.compact, Step::Compact),
            (if releases { faults.release } else { 0 }, Step::Release),
            (if releases { faults.release } else { 0 }, Step::Update),
            (faults.clock, Step::ClockJump),
            (faults.disk_full, Step::ToggleDisk),
            (faults.freeze, Step::ToggleFreeze),
        ];
        let total: u32 = kinds.iter().map(|(weight, _)| weight).sum();
        let mut drawn = self.rng.below(total as usize) as u32;
        let mut step = Step::Pass;
        for (weight, kind) in kinds {
            if drawn < weight {
                step = kind;
                break;
            }
            drawn -= weight;
        }
        self.step(id, step)?;
        // Who is down comes back sooner or later, so that a run is not spent in silence.
        for id in 0..self.nodes.len() {
            if self.nodes[id].engine.is_none() && self.rng.chance(50) {
                self.start_client(id)?;
            }
        }
        for server in 0..self.servers.count() {
            if !self.servers.is_up(server) && self.rng.chance(50) {
                self.start_server(server)?;
            }
        }
        let pause = match self.rng.below(10) {
            0 => 0,
            1..=6 => self.rng.between(1, 60),
            7 | 8 => self.rng.between(60, 600),
            _ => self.rng.between(600, 8_000),
        };
        self.advance(pause as i64)
    }

    fn step(&mut self, id: NodeId, step: Step) -> Result<()> {
        if self.nodes[id].frozen.is_some() && step.is_of_the_process() {
            return Ok(());
        }
        match step {
            Step::ClockJump => {
                self.clock_jump(id);
                Ok(())
            }
            Step::ToggleDisk => {
                let full = !self.nodes[id].disk_full;
                self.set_disk_full(id, full)
            }
            Step::ToggleFreeze => {
                let freeze = self.nodes[id].frozen.is_none();
                self.set_frozen(id, freeze);
                Ok(())
            }
            Step::Pass => Ok(()),
            Step::Mutate => self.random_mutation(id),
            Step::PushNow => self.event(id, Event::PushNow),
            Step::PullNow => self.event(id, Event::PullNow),
            Step::Poke => self.event(id, Event::Poke),
            Step::Discard => self.random_discard(id),
            Step::ToggleOffline => {
                let offline = !self.nodes[id].offline;
                self.set_offline(id, offline)
            }
            Step::TogglePartition => {
                let cut = !self.nodes[id].partitioned;
                self.partition(id, cut);
                Ok(())
            }
            Step::CrashClient => {
                self.crash_client(id);
                Ok(())
            }
            Step::CrashClientMidway => {
                let statements = self.rng.between(1, 30);
                self.note(format_args!("client {id} will die after {statements} statements"));
                self.nodes[id].store.crash_after(statements);
                self.random_mutation(id)?;
                self.event(id, Event::Tick)
            }
            Step::CrashServer => {
                let server = self.rng.below(self.servers.count());
                self.crash_server(server);
                Ok(())
            }
            Step::BackUp => self.back_up_server(),
            Step::Restore => self.restore_server(),
            Step::Compact => self.random_compaction(),
            Step::Release => self.random_release(),
            Step::Update => self.random_update(id),
            Step::CopyStore => {
                if self.nodes.len() < self.settings.clients + self.settings.copies {
                    self.copy_client(id)?;
                }
                Ok(())
            }
        }
    }

    fn random_mutation(&mut self, id: NodeId) -> Result<()> {
        let workload = self.workload_of(id);
        let node = &mut self.nodes[id];
        if node.engine.is_none() {
            return Ok(());
        }
        let user = node.user;
        let call = workload.next(user, &mut Rows::store(node.store.inner()), &mut self.rng)?;
        if let Some(call) = call {
            self.mutate(id, &call)?;
        }
        Ok(())
    }

    fn random_discard(&mut self, id: NodeId) -> Result<()> {
        let now = self.clock(id);
        let node = &mut self.nodes[id];
        let Some(engine) = &mut node.engine else { return Ok(()) };
        let queued = engine.outbox(node.store.inner())?;
        let Some(entry) = self.rng.pick(&queued) else { return Ok(()) };
        let mut inputs = crate::inputs::Inputs { now, entropy: &mut node.rng };
        let done = engine.discard(&mut node.store, &*node.principal.ctx, entry.key, &mut inputs);
        if node.store.crashed() {
            return self.client_died(id);
        }
        let entry = entry.id;
        match done {
            Ok(actions) => {
                self.note(format_args!("client {id} discards {entry}"));
                self.act(id, actions)
            }
            Err(error) => {
                self.note(format_args!("client {id} cannot discard {entry}: {error}"));
                Ok(())
            }
        }
    }

    /// Switches a client's offline mode.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn set_offline(&mut self, id: NodeId, offline: bool) -> Result<()> {
        self.note(format_args!("client {id} offline: {offline}"));
        self.nodes[id].offline = offline;
        self.event(id, Event::SetOffline(offline))
    }

    /// Cuts a client off, without its knowing, or joins it again.
    pub fn partition(&mut self, id: NodeId, cut: bool) {
        self.note(format_args!("client {id} cut off: {cut}"));
        self.nodes[id].partitioned = cut;
    }

    /// Takes a backup of the database.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn back_up_server(&mut self) -> Result<()> {
        self.note(format_args!("the database is backed up"));
        self.servers.back_up()
    }

    /// Restores the database from its last backup, and starts all servers anew; without a backup only that.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn restore_server(&mut self) -> Result<()> {
        for server in 0..self.servers.count() {
            self.crash_server(server);
        }
        if self.servers.restore()? {
            self.note(format_args!("the database is restored from its backup"));
        }
        for server in 0..self.servers.count() {
            self.start_server(server)?;
        }
        Ok(())
    }

    /// A server compacts the log, or a part of it; the server may die in the middle.
    fn random_compaction(&mut self) -> Result<()> {
        let server = self.rng.below(self.servers.count());
        if !self.servers.is_up(server) {
            return Ok(());
        }
        let mut pick = |of: &[u64]| of[self.rng.below(of.len())];
        let options = CompactionOptions::default()
            .keep_ms(pick(&[0, 0, 500, 5_000]) as i64)
            .keep_entries(pick(&[3, 10, 1_000_000]))
            .keep_folded(pick(&[4, 1_000_000, 1_000_000]))
            .keep_deletes_ms(pick(&[2_000, 20_000, 7_776_000_000]) as i64)
            .lease_ms(pick(&[0, 200, 5_000]) as i64);
        let (most, steps) = (pick(&[1, 3, 1_000]) as usize, pick(&[1, 3, 1_000, 1_000]) as usize);
        if self.settings.faults.crash_server > 0 && self.rng.chance(10) {
            let statements = self.rng.between(1, 20);
            self.servers.store.crash_after(statements);
        }
        self.compact_server(server, options, most, steps)
    }

    /// A server compacts the log: so many steps of so many entries.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn compact_server(
        &mut self,
        server: ServerId,
        options: CompactionOptions,
        most: usize,
        steps: usize,
    ) -> Result<()> {
        let done = self.servers.compact(server, self.now, options, most, steps);
        if self.servers.store.crashed() {
            self.reached.insert(Rare::ServerCrashInStep);
            self.note(format_args!("server {server} dies in a compaction"));
            self.servers.store.recover()?;
            self.crash_server(server);
            return Ok(());
        }
        self.servers.store.recover()?;
        let compaction = done?;
        let done = compaction.result();
        self.note(format_args!(
            "server {server} compacts to {} above {}: {} of {} entries go, {} marks stay",
            done.bound, done.floor, done.removed, done.scanned, done.marked
        ));
        if done.removed > 0 {
            self.reached.insert(Rare::Compacted);
        }
        let tamper = std::sync::Arc::clone(&self.tamper);
        tamper.compacted(server, self.servers.store.inner())
    }

    /// Copies a client's store to a new device, which goes on with it: a fork.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn copy_client(&mut self, id: NodeId) -> Result<NodeId> {
        self.note(format_args!("the store of client {id} is copied"));
        let mut copy = SqliteConnection::in_memory()?;
        let node = &mut self.nodes[id];
        node.shared = true;
        node.store.inner().backup_to(&mut copy)?;
        let (user, version, options) = (node.user, node.version, node.options.clone());
        let new = self.add_node(user, version, options, copy)?;
        self.nodes[new].shared = true;
        Ok(new)
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Mutate,
    Pass,
    PushNow,
    PullNow,
    Poke,
    Discard,
    ToggleOffline,
    TogglePartition,
    CrashClient,
    CrashClientMidway,
    CrashServer,
    BackUp,
    Restore,
    CopyStore,
    Compact,
    Release,
    Update,
    ClockJump,
    ToggleDisk,
    ToggleFreeze,
}

impl Step {
    /// What a frozen process cannot do.
    fn is_of_the_process(self) -> bool {
        matches!(
            self,
            Step::Mutate
                | Step::PushNow
                | Step::PullNow
                | Step::Poke
                | Step::Discard
                | Step::ToggleOffline
                | Step::CrashClientMidway
                | Step::Update
        )
    }
}
