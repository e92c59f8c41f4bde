//! The end of a run: everything heals, and has to come to rest.

use super::node::difference;
use super::{Rare, Violation, World};
use crate::error::Result;

impl World {
    /// Ends all faults: everybody is up, online and reachable.
    ///
    /// # Errors
    /// Those of the engines and of SQLite.
    pub fn heal(&mut self) -> Result<()> {
        self.note(format_args!("everything heals"));
        self.healed = true;
        for server in 0..self.servers.count() {
            if !self.servers.is_up(server) {
                self.start_server(server)?;
            }
        }
        self.finish_releases()?;
        for id in 0..self.nodes.len() {
            self.nodes[id].partitioned = false;
            self.set_frozen(id, false);
            self.set_disk_full(id, false)?;
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
            let definition = self.definition_of(id);
            let node = &mut self.nodes[id];
            let found = node.visible(&definition)?;
            let principal = node.principal.clone();
            let expected = self.servers.shown(0, &principal, &definition)?;
            if let Some(what) = difference(&definition, &found, &expected) {
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
