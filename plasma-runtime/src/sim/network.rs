//! The network between clients and servers, and the clock.

use std::sync::Arc;

use super::message::{Asker, Due, Ghost, Held, is_pull};
use super::node::NodeId;
use super::{Leg, World};
use crate::client::event::{Event, SendFailure};
use crate::error::Result;
use crate::protocol::{WireRequest, WireResponse};

/// A client gives up waiting for an answer after this long, ms.
const PATIENCE_MS: i64 = 40_000;

impl World {
    pub(super) fn later(&mut self, at: i64, due: Due) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), due);
    }

    pub(super) fn send(&mut self, id: NodeId, request: u64, mut wire: WireRequest) {
        let node = &mut self.nodes[id];
        node.outstanding.insert(request);
        let asker = Asker { node: id, incarnation: node.incarnation, request };
        let what = if is_pull(&wire) { "pull" } else { "push" };
        self.note(format_args!("client {id} sends {what} {}", wire.body.len()));
        self.tamper.request(&mut wire);
        let timeout = Err(SendFailure { message: "no answer in time".to_owned() });
        self.later(self.now + PATIENCE_MS, Due::AtClient { asker, outcome: timeout, ghost: None });
        if let Some(answer) = self.foreign_answer(id, None) {
            self.later(self.now + 3, Due::AtClient { asker, outcome: Ok(answer), ghost: None });
            return;
        }
        for delay in self.fate(id, Leg::Request) {
            self.later(self.now + delay, Due::AtServer { asker, wire: wire.clone() });
        }
    }

    /// The delays after which copies of a message arrive; none when it is lost.
    pub(super) fn fate(&mut self, id: NodeId, leg: Leg) -> Vec<i64> {
        if self.nodes[id].partitioned {
            self.note(format_args!("{leg:?} of client {id} is cut off"));
            return Vec::new();
        }
        if self.healed {
            return vec![5];
        }
        let faults = self.settings.faults;
        if self.rng.chance(faults.drop) {
            self.note(format_args!("{leg:?} of client {id} is lost"));
            return Vec::new();
        }
        let copies = if self.rng.chance(faults.duplicate) { 2 } else { 1 };
        (0..copies)
            .map(|_| {
                let most = if self.rng.chance(faults.delay) { faults.delay_ms } else { 20 };
                self.rng.between(1, most) as i64
            })
            .collect()
    }

    /// Lets time pass, with all that happens in it.
    ///
    /// # Errors
    /// Those of the engines and of SQLite.
    pub fn advance(&mut self, milliseconds: i64) -> Result<()> {
        let until = self.now + milliseconds;
        while let Some((&(at, number), _)) = self.queue.first_key_value() {
            if at > until || self.violation.is_some() {
                break;
            }
            self.now = self.now.max(at);
            if let Some(due) = self.queue.remove(&(at, number)) {
                self.happen(due)?;
            }
        }
        self.now = self.now.max(until);
        Ok(())
    }

    fn happen(&mut self, due: Due) -> Result<()> {
        if let Due::Wake { node, .. } | Due::AtClient { asker: Asker { node, .. }, .. } = &due
            && let Some(waiting) = &mut self.nodes[*node].frozen
        {
            waiting.push(due);
            return Ok(());
        }
        match due {
            Due::Wake { node, incarnation, at } => {
                let waiting = &mut self.nodes[node];
                if waiting.incarnation == incarnation && waiting.wake == Some(at) {
                    waiting.wake = None;
                    self.event(node, Event::Tick)?;
                }
                Ok(())
            }
            Due::AtServer { asker, wire } => self.at_server(asker, wire),
            Due::Commit { transaction } => self.commit_push(transaction),
            Due::Acknowledge { asker, response, ghost } => self.acknowledge(asker, response, ghost),
            Due::Poke { server } => self.poke(server),
            Due::AtClient { asker, outcome, ghost } => self.at_client(asker, outcome, ghost),
            Due::Release { held } => {
                if let Some(index) = self.held.iter().position(|waiting| waiting.number == held) {
                    let Held { server, asker, wire, .. } = self.held.remove(index);
                    self.serve(server, asker, wire, false, None)?;
                }
                Ok(())
            }
        }
    }

    fn at_client(
        &mut self,
        asker: Asker,
        outcome: Result<WireResponse, SendFailure>,
        ghost: Option<Ghost>,
    ) -> Result<()> {
        let id = asker.node;
        let node = &mut self.nodes[id];
        if node.engine.is_none() || node.incarnation != asker.incarnation || !node.outstanding.remove(&asker.request) {
            return Ok(());
        }
        match &outcome {
            Ok(response) => {
                let (status, length) = (response.status, response.body.len());
                self.note(format_args!("client {id} gets {status} {length}"));
            }
            Err(failure) => {
                let message = failure.message.clone();
                self.note(format_args!("client {id} gets nothing: {message}"));
            }
        }
        let cookie_before = self.cookie(id)?;
        self.event(id, Event::Response { request: asker.request, outcome })?;
        let tamper = Arc::clone(&self.tamper);
        tamper.client(self.nodes[id].store.inner())?;
        if let Some(ghost) = ghost
            && self.nodes[id].engine.is_some()
        {
            self.nodes[id].resetting |= ghost.clears;
            let cookie = self.cookie(id)?;
            if cookie.as_ref() == Some(&ghost.cookie) && cookie != cookie_before {
                self.page_applied(id, cookie_before.as_deref(), &ghost)?;
            }
        }
        Ok(())
    }

    fn cookie(&mut self, id: NodeId) -> Result<Option<String>> {
        let node = &mut self.nodes[id];
        match &node.engine {
            Some(engine) => engine.cookie(node.store.inner()),
            None => Ok(None),
        }
    }
}
