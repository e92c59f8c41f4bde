//! What may happen in a run, chosen by the seed; and the healing at its end.

use super::node::{NodeId, difference};
use super::workload::Rows;
use super::{Rare, Violation, World};
use crate::client::event::Event;
use crate::error::Result;
use crate::server::CompactionOptions;
use crate::store::sqlite::SqliteConnection;

impl World {
    /// One random step, and some time after it.
    pub(super) fn random_step(&mut self) -> Result<()> {
        let faults = self.settings.faults;
        let id = self.rng.below(self.nodes.len());
        let kinds: [(u32, Step); 15] = [
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
        if !self.server.up && self.rng.chance(50) {
            self.start_server()?;
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
        match step {
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
                self.crash_server();
                Ok(())
            }
            Step::BackUp => self.back_up_server(),
            Step::Restore => self.restore_server(),
            Step::Compact => self.random_compaction(),
            Step::CopyStore => {
                if self.nodes.len() < self.settings.clients + self.settings.copies {
                    self.copy_client(id)?;
                }
                Ok(())
            }
        }
    }

    fn random_mutation(&mut self, id: NodeId) -> Result<()> {
        let workload = std::sync::Arc::clone(&self.workload);
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
        let now = self.now;
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

    /// Takes a backup of the server's database.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn back_up_server(&mut self) -> Result<()> {
        self.note(format_args!("server is backed up"));
        self.server.back_up()
    }

    /// Restores the server from its last backup; nothing happens when there is none.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn restore_server(&mut self) -> Result<()> {
        self.crash_server();
        if self.server.restore()? {
            self.note(format_args!("server is restored from its backup"));
        }
        self.start_server()
    }

    /// Compacts the server's log, or a part of it; the server may die in the middle.
    fn random_compaction(&mut self) -> Result<()> {
        if !self.server.up {
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
        if self.rng.chance(10) {
            let statements = self.rng.between(1, 20);
            self.server.store.crash_after(statements);
        }
        self.compact_server(options, most, steps)
    }

    /// Compacts the server's log: so many steps of so many entries.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn compact_server(&mut self, options: CompactionOptions, most: usize, steps: usize) -> Result<()> {
        let done = self.server.compact(self.now, options, most, steps);
        if self.server.store.crashed() {
            self.reached.insert(Rare::ServerCrashInStep);
            self.note(format_args!("server dies in a compaction"));
            self.server.store.recover()?;
            self.crash_server();
            return Ok(());
        }
        self.server.store.recover()?;
        let compaction = done?;
        let done = compaction.result();
        self.note(format_args!(
            "server compacts to {} above {}: {} of {} entries go, {} marks stay",
            done.bound, done.floor, done.removed, done.scanned, done.marked
        ));
        if done.removed > 0 {
            self.reached.insert(Rare::Compacted);
        }
        let tamper = std::sync::Arc::clone(&self.tamper);
        tamper.compacted(self.server.store.inner())
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
        let (user, options) = (node.user, node.options.clone());
        let new = self.add_node(user, options, copy)?;
        self.nodes[new].shared = true;
        Ok(new)
    }

    /// Ends all faults: everybody is up, online and reachable.
    ///
    /// # Errors
    /// Those of the engines and of SQLite.
    pub fn heal(&mut self) -> Result<()> {
        self.note(format_args!("everything heals"));
        self.healed = true;
        if !self.server.up {
            self.start_server()?;
        }
        for id in 0..self.nodes.len() {
            self.nodes[id].partitioned = false;
            if self.nodes[id].store.recover().is_ok() && self.nodes[id].engine.is_none() {
                self.start_client(id)?;
            }
            if self.nodes[id].offline {
                self.set_offline(id, false)?;
            }
        }
        Ok(())
    }

    /// Heals, and lets time pass until all clients are equal to the server; then checks the invariants of an end.
    ///
    /// # Errors
    /// Those of the engines and of SQLite. A broken invariant is kept for [`violation`](Self::violation).
    pub fn settle(&mut self) -> Result<()> {
        self.heal()?;
        let deadline = self.now + self.settings.settle_ms;
        let mut pause = 250;
        loop {
            self.advance(pause)?;
            pause = (pause * 3 / 2).min(5_000);
            if self.violation.is_some() {
                return Ok(());
            }
            let Some(violation) = self.unsettled()? else { break };
            if self.now > deadline {
                self.fail(violation);
                return Ok(());
            }
        }
        self.note(format_args!("settled"));
        self.check_end()
    }

    /// Why the system is not at rest yet.
    fn unsettled(&mut self) -> Result<Option<Violation>> {
        for (id, node) in self.nodes.iter().enumerate() {
            let now = self.now;
            let status = node.engine.as_ref().map(|engine| engine.status(now));
            if status.as_ref().is_none_or(|status| status.unobserved > 0) {
                let message = format!(
                    "the queue of client {id} is not empty {} ms after everything healed: {status:?}",
                    self.settings.settle_ms
                );
                return Ok(Some(Violation::new("I10", message)));
            }
        }
        for id in 0..self.nodes.len() {
            let node = &mut self.nodes[id];
            let found = node.visible(&self.definition)?;
            let principal = node.principal.clone();
            let expected = self.server.readable(&principal)?;
            if let Some(what) = difference(&self.definition, &found, &expected) {
                let message = format!("client {id} (user {}) differs from the server: {what}", self.nodes[id].user);
                return Ok(Some(Violation::new("I9", message)));
            }
        }
        Ok(None)
    }

    /// The invariant that broke, if one did.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Whether the run has reached a rare state.
    pub fn has_reached(&self, rare: Rare) -> bool {
        self.reached.contains(&rare)
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
}
