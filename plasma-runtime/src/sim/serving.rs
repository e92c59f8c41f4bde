//! Requests at the servers: any of them takes one, each crashes by itself, commits wake the pulls they all hold.

use std::sync::Arc;

use super::message::{Asker, Due, Ghost, Held, is_empty, is_pull, page, parameter};
use super::server::ServerId;
use super::transactions::Block;
use super::{Leg, Rare, World};
use crate::client::event::SendFailure;
use crate::error::Result;
use crate::protocol::{WireRequest, WireResponse};

impl World {
    /// A request comes to one of the servers.
    pub(super) fn at_server(&mut self, asker: Asker, wire: WireRequest) -> Result<()> {
        self.publish()?;
        let server = self.rng.below(self.servers.count());
        if !self.servers.is_up(server) {
            return self.refuse(asker, "connection refused");
        }
        if !is_pull(&wire) && !self.healed && self.rng.chance(self.settings.faults.overlap) {
            self.begin_push(server, asker, wire);
            return Ok(());
        }
        self.serve(server, asker, wire, true, None)
    }

    /// A server that is up does what is asked. `drawn` are the numbers of a push that began earlier.
    pub(super) fn serve(
        &mut self,
        server: ServerId,
        asker: Asker,
        wire: WireRequest,
        may_hold: bool,
        drawn: Option<Block>,
    ) -> Result<()> {
        let id = asker.node;
        let pull = is_pull(&wire);
        let head = self.servers.head()?;
        if pull && self.hides()? {
            return self.refuse(asker, "the server is busy");
        }
        if !pull && !self.healed && self.rng.chance(self.settings.faults.server_dies_in_push) {
            let statements = self.rng.between(1, 40);
            self.servers.store.crash_after(statements);
        }
        let tamper = Arc::clone(&self.tamper);
        tamper.server(server, &wire, self.servers.store.inner())?;
        let principal = self.nodes[id].principal.clone();
        let mut response = self.servers.handle(server, &principal, &wire, self.now)?;
        if self.servers.store.crashed() {
            self.reached.insert(Rare::ServerCrashInStep);
            self.note(format_args!("server {server} dies in a push of client {id}"));
            self.servers.store.recover()?;
            self.number_push(head, drawn)?;
            self.crash_server(server);
            return self.committed(head, None);
        }
        self.servers.store.recover()?;
        if !pull {
            self.number_push(head, drawn)?;
        }
        self.observe_answer(server, id, &wire, &response, head)?;
        tamper.response(server, &wire, &mut response);
        let wait: u64 = parameter(&wire.query, "wait").and_then(|wait| wait.parse().ok()).unwrap_or_default();
        if pull && may_hold && wait > 0 && page(&response).is_some_and(|page| is_empty(&page)) {
            self.sequence += 1;
            let number = self.sequence;
            self.held.push(Held { number, server, asker, wire });
            self.later(self.now + wait as i64, Due::Release { held: number });
            return Ok(());
        }
        let ghost = self.remember(server, asker, &wire, &response)?;
        if !pull && !self.healed && self.rng.chance(self.settings.faults.server_dies_after_commit) {
            self.reached.insert(Rare::AnswerLostAfterCommit);
            self.note(format_args!("server {server} dies before it answers client {id}"));
            self.crash_server(server);
        } else if !self.acknowledges_apart(asker, &response, ghost.as_ref()) {
            self.answer(asker, response, ghost);
        }
        self.committed(head, Some(server))
    }

    /// What only the simulator knows of an answer.
    fn remember(
        &mut self,
        server: ServerId,
        asker: Asker,
        wire: &WireRequest,
        response: &WireResponse,
    ) -> Result<Option<Ghost>> {
        let principal = self.nodes[asker.node].principal.clone();
        let definition = self.definition_of(asker.node);
        let ghost = self.servers.ghost(server, &principal, &definition, wire, response)?;
        if ghost.is_some() && self.nodes[asker.node].version < self.servers.version(server) {
            self.reached.insert(Rare::ServedThroughLens);
        }
        Ok(ghost)
    }

    fn refuse(&mut self, asker: Asker, why: &str) -> Result<()> {
        let refused = Err(SendFailure { message: why.to_owned() });
        self.later(self.now + 1, Due::AtClient { asker, outcome: refused, ghost: None });
        Ok(())
    }

    pub(super) fn answer(&mut self, asker: Asker, response: WireResponse, ghost: Option<Ghost>) {
        if let Some(other) = self.foreign_answer(asker.node, Some(&response)) {
            self.later(self.now + 3, Due::AtClient { asker, outcome: Ok(other), ghost: None });
            return;
        }
        for delay in self.fate(asker.node, Leg::Answer) {
            let due = Due::AtClient { asker, outcome: Ok(response.clone()), ghost: ghost.clone() };
            self.later(self.now + delay, due);
        }
    }

    /// A commit of a server lets the pulls it holds ask again; the others hear of it soon, or never.
    pub(super) fn committed(&mut self, head_before: u64, by: Option<ServerId>) -> Result<()> {
        if self.servers.head()? == head_before {
            return Ok(());
        }
        for other in (0..self.servers.count()).filter(|other| Some(*other) != by) {
            if !self.held.iter().any(|held| held.server == other) {
                continue;
            }
            if !self.healed && self.rng.chance(self.settings.faults.lost_poke) {
                self.reached.insert(Rare::PokeLost);
                self.note(format_args!("a poke to server {other} is lost"));
                continue;
            }
            let at = self.now + self.rng.between(1, 30) as i64;
            self.later(at, Due::Poke { server: other });
        }
        match by {
            Some(server) => self.ask_again(server, false),
            None => Ok(()),
        }
    }

    /// A server hears that another one has committed.
    pub(super) fn poke(&mut self, server: ServerId) -> Result<()> {
        self.ask_again(server, true)
    }

    fn take_held(&mut self, server: ServerId) -> Vec<Held> {
        let held = std::mem::take(&mut self.held).into_iter();
        let (own, others) = held.partition(|held| held.server == server);
        self.held = others;
        own
    }

    /// The pulls that a server holds ask again.
    fn ask_again(&mut self, server: ServerId, poked: bool) -> Result<()> {
        if self.hides()? {
            return Ok(());
        }
        for held in self.take_held(server) {
            let Held { asker, wire, .. } = &held;
            let (asker, wire) = (*asker, wire.clone());
            let principal = self.nodes[asker.node].principal.clone();
            let head = self.servers.head()?;
            let tamper = Arc::clone(&self.tamper);
            tamper.server(server, &wire, self.servers.store.inner())?;
            let mut response = self.servers.handle(server, &principal, &wire, self.now)?;
            let is_nothing = |response: &WireResponse| page(response).is_some_and(|page| is_empty(&page));
            if !is_nothing(&response) {
                self.observe_answer(server, asker.node, &wire, &response, head)?;
                tamper.response(server, &wire, &mut response);
            }
            if is_nothing(&response) {
                self.held.push(held);
                continue;
            }
            if poked {
                self.reached.insert(Rare::PokedAcross);
            }
            let ghost = self.remember(server, asker, &wire, &response)?;
            if !self.acknowledges_apart(asker, &response, ghost.as_ref()) {
                self.answer(asker, response, ghost);
            }
        }
        Ok(())
    }

    /// Kills the process of a server; what it held and what it had begun is gone, what it committed is not.
    pub fn crash_server(&mut self, server: ServerId) {
        self.note(format_args!("server {server} crashes"));
        self.servers.stop(server);
        self.abort_pushes(server);
        for Held { asker, .. } in self.take_held(server) {
            let reset = Err(SendFailure { message: "connection reset".to_owned() });
            self.later(self.now + 1, Due::AtClient { asker, outcome: reset, ghost: None });
        }
    }

    /// Starts a server again over what was committed.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn start_server(&mut self, server: ServerId) -> Result<()> {
        self.start(server, None)
    }
}
