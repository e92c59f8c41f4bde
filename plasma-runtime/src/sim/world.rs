//! The simulated system: clients, server, network, clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use super::message::{Asker, Due, Ghost, Held, is_empty, is_pull, page, parameter};
use super::node::{Issued, Node, NodeId};
use super::server::Server;
use super::trace::Trace;
use super::workload::{Call, Rows, Workload};
use super::{Leg, Rare, Rng, Settings, Tamper, Violation};
use crate::client::event::{Action, ClientErrorKind, Event, Inputs, SendFailure};
use crate::client::{Engine, EngineOptions};
use crate::error::{Error, Result};
use crate::protocol::{WireRequest, WireResponse};
use crate::schema::Definition;
use crate::store::sqlite::SqliteConnection;

/// The virtual time at the start: 2025-01-01, unix ms.
pub(super) const EPOCH: i64 = 1_735_689_600_000;
/// A client gives up waiting for an answer after this long, ms.
const PATIENCE_MS: i64 = 40_000;

/// A system under simulation. [`Sim`](super::Sim) drives it at random; a test may drive it by hand.
pub struct World {
    pub(super) workload: Arc<dyn Workload>,
    pub(super) definition: Arc<Definition>,
    pub(super) tamper: Arc<dyn Tamper>,
    pub(super) settings: Settings,
    pub(super) now: i64,
    pub(super) rng: Rng,
    pub(super) server: Server,
    pub(super) nodes: Vec<Node>,
    pub(super) trace: Trace,
    pub(super) reached: BTreeSet<Rare>,
    /// Audit rows some client has tried to write.
    pub(super) attempted: BTreeSet<Uuid>,
    /// Cookies the server has made, and how often it had been restored when it did.
    pub(super) cookies: BTreeMap<String, u32>,
    /// The first invariant that broke.
    pub(super) violation: Option<Violation>,
    /// Faults are over.
    pub(super) healed: bool,
    queue: BTreeMap<(i64, u64), Due>,
    held: Vec<Held>,
    sequence: u64,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.now).field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}

impl World {
    /// A system with a server and no clients yet, from a seed.
    ///
    /// # Errors
    /// Those of the definition and of SQLite.
    pub fn new(workload: Arc<dyn Workload>, settings: Settings, seed: u64) -> Result<Self> {
        let template = Server::template(&*workload)?;
        World::over(&template, workload, Arc::new(super::NoTamper), settings, seed, false)
    }

    pub(super) fn over(
        template: &SqliteConnection,
        workload: Arc<dyn Workload>,
        tamper: Arc<dyn Tamper>,
        settings: Settings,
        seed: u64,
        keep_trace: bool,
    ) -> Result<Self> {
        let mut rng = Rng::new(seed);
        let definition = Arc::new(workload.definition());
        let server = Server::new(template, &definition, rng.fork())?;
        Ok(World {
            workload,
            definition,
            tamper,
            settings,
            now: EPOCH,
            rng,
            server,
            nodes: Vec::new(),
            trace: Trace::new(keep_trace),
            reached: BTreeSet::new(),
            attempted: BTreeSet::new(),
            cookies: BTreeMap::new(),
            violation: None,
            healed: true,
            queue: BTreeMap::new(),
            held: Vec::new(),
            sequence: 0,
        })
    }

    /// The virtual time, unix ms.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// The number of clients.
    pub fn clients(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn note(&mut self, line: fmt::Arguments<'_>) {
        self.trace.note(self.now, line);
    }

    pub(super) fn fail(&mut self, violation: Violation) {
        self.note(format_args!("violation {violation}"));
        self.violation.get_or_insert(violation);
    }

    /// Adds a client of a user, with an empty store, and starts it.
    ///
    /// # Errors
    /// Those of opening a store.
    pub fn add_client(&mut self, user: usize, options: EngineOptions) -> Result<NodeId> {
        let store = SqliteConnection::in_memory()?;
        self.add_node(user, options, store)
    }

    pub(super) fn add_node(
        &mut self,
        user: usize,
        mut options: EngineOptions,
        store: SqliteConnection,
    ) -> Result<NodeId> {
        let principal = self.workload.principal(user);
        options.group = Some(principal.group.clone());
        options.base_path.get_or_insert_with(|| self.server.engine.options().base_path.clone());
        let id = self.nodes.len();
        self.nodes.push(Node {
            user,
            principal,
            store: super::crashy::CrashyStore::new(store),
            engine: None,
            incarnation: 0,
            rng: self.rng.fork(),
            options,
            wake: None,
            outstanding: BTreeSet::new(),
            offline: false,
            partitioned: false,
            shared: false,
            first_client_id: String::new(),
            resetting: false,
            last_base: None,
            issued: Vec::new(),
        });
        self.start_client(id)?;
        let node = &mut self.nodes[id];
        if let Some(engine) = &node.engine {
            node.first_client_id = engine.client_id(node.store.inner())?;
        }
        Ok(id)
    }

    /// Opens the client's store again after a crash, and starts its loop.
    ///
    /// # Errors
    /// Those of opening a store.
    pub fn start_client(&mut self, id: NodeId) -> Result<()> {
        let definition = Arc::clone(&self.definition);
        let now = self.now;
        let node = &mut self.nodes[id];
        node.store.recover()?;
        node.incarnation += 1;
        let mut inputs = Inputs { now, entropy: &mut node.rng };
        let (engine, actions) = Engine::open(&mut node.store, definition, node.options.clone(), &mut inputs)?;
        node.engine = Some(engine);
        self.note(format_args!("client {id} opens"));
        self.act(id, actions)?;
        if self.nodes[id].offline {
            self.event(id, Event::SetOffline(true))?;
        }
        self.event(id, Event::Start)
    }

    /// Kills the client's process. Its store stays as it is.
    pub fn crash_client(&mut self, id: NodeId) {
        self.note(format_args!("client {id} crashes"));
        let node = &mut self.nodes[id];
        node.engine = None;
        node.outstanding.clear();
        node.wake = None;
    }

    /// Gives an event to a client.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn event(&mut self, id: NodeId, event: Event) -> Result<()> {
        let now = self.now;
        let node = &mut self.nodes[id];
        let Some(engine) = &mut node.engine else { return Ok(()) };
        let before = engine.stats();
        let mut inputs = Inputs { now, entropy: &mut node.rng };
        let actions = engine.handle(&mut node.store, &*node.principal.ctx, event, &mut inputs);
        let after = engine.stats();
        if node.store.crashed() {
            return self.client_died(id);
        }
        for (rare, grew) in [
            (Rare::ConfirmPath, after.confirmed > before.confirmed),
            (Rare::DisjointPath, after.disjoint > before.disjoint),
            (Rare::FullPath, after.replays > before.replays),
            (Rare::Reset, after.cleared > before.cleared),
            (Rare::EffectsCompared, after.compared > before.compared),
        ] {
            if grew {
                self.reached.insert(rare);
            }
        }
        self.act(id, actions?)
    }

    /// A mutation of a client; whether it was queued. One the mutator itself refuses is not an error.
    ///
    /// # Errors
    /// Those of the store.
    pub fn mutate(&mut self, id: NodeId, call: &Call) -> Result<bool> {
        let now = self.now;
        self.attempted.extend(call.audit);
        let node = &mut self.nodes[id];
        let Some(engine) = &mut node.engine else { return Ok(false) };
        let mut inputs = Inputs { now, entropy: &mut node.rng };
        let done = engine.mutate(&mut node.store, &*node.principal.ctx, &call.name, &call.args, &mut inputs);
        if node.store.crashed() {
            self.client_died(id)?;
            return Ok(false);
        }
        match done {
            Ok((mutated, actions)) => {
                node.issued.push(Issued { key: mutated.key, audit: call.audit, name: call.name.clone() });
                self.note(format_args!("client {id} mutates {:?} {} {}", mutated.id, call.name, call.args));
                self.act(id, actions)?;
                Ok(true)
            }
            Err(error) if error.is_refusal() => {
                self.note(format_args!("client {id} is refused {} {}: {error}", call.name, call.args));
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn client_died(&mut self, id: NodeId) -> Result<()> {
        self.reached.insert(Rare::ClientCrashInStep);
        self.crash_client(id);
        self.nodes[id].store.recover()
    }

    /// Does what an engine asks for.
    pub(super) fn act(&mut self, id: NodeId, actions: Vec<Action>) -> Result<()> {
        for action in actions {
            match action {
                Action::Send { request, wire, .. } => self.send(id, request, wire),
                Action::WakeAt(at) => {
                    let node = &mut self.nodes[id];
                    node.wake = Some(at);
                    let incarnation = node.incarnation;
                    let at = at.max(self.now + 1);
                    self.later(at, Due::Wake { node: id, incarnation, at });
                    self.nodes[id].wake = Some(at);
                }
                Action::Changed(_) => {
                    let workload = Arc::clone(&self.workload);
                    if let Err(rule) = workload.holds(&mut Rows::store(self.nodes[id].store.inner())) {
                        self.fail(Violation::new("I7", format!("client {id} shows rows that cannot be: {rule}")));
                    }
                }
                Action::Report(report) => {
                    if report.kind == ClientErrorKind::Drift {
                        self.fail(Violation::new("I23", format!("client {id}: {}", report.error)));
                    }
                    self.note(format_args!("client {id} reports {:?}: {}", report.kind, report.error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn later(&mut self, at: i64, due: Due) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), due);
    }

    fn send(&mut self, id: NodeId, request: u64, mut wire: WireRequest) {
        let node = &mut self.nodes[id];
        node.outstanding.insert(request);
        let asker = Asker { node: id, incarnation: node.incarnation, request };
        let what = if is_pull(&wire) { "pull" } else { "push" };
        self.note(format_args!("client {id} sends {what} {}", wire.body.len()));
        self.tamper.request(&mut wire);
        let timeout = Err(SendFailure { message: "no answer in time".to_owned() });
        self.later(self.now + PATIENCE_MS, Due::AtClient { asker, outcome: timeout, ghost: None });
        for delay in self.fate(id, Leg::Request) {
            self.later(self.now + delay, Due::AtServer { asker, wire: wire.clone() });
        }
    }

    /// The delays after which copies of a message arrive; none when it is lost.
    fn fate(&mut self, id: NodeId, leg: Leg) -> Vec<i64> {
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
        match due {
            Due::Wake { node, incarnation, at } => {
                let waiting = &mut self.nodes[node];
                if waiting.incarnation == incarnation && waiting.wake == Some(at) {
                    waiting.wake = None;
                    self.event(node, Event::Tick)?;
                }
                Ok(())
            }
            Due::AtServer { asker, wire } => self.at_server(asker, wire, true),
            Due::AtClient { asker, outcome, ghost } => self.at_client(asker, outcome, ghost),
            Due::Release { held } => {
                if let Some(index) = self.held.iter().position(|waiting| waiting.number == held) {
                    let Held { asker, wire, .. } = self.held.remove(index);
                    self.at_server(asker, wire, false)?;
                }
                Ok(())
            }
        }
    }

    fn at_server(&mut self, asker: Asker, wire: WireRequest, may_hold: bool) -> Result<()> {
        if !self.server.up {
            let refused = Err(SendFailure { message: "connection refused".to_owned() });
            self.later(self.now + 1, Due::AtClient { asker, outcome: refused, ghost: None });
            return Ok(());
        }
        let id = asker.node;
        let pull = is_pull(&wire);
        let head = self.server.head()?;
        if !pull && !self.healed && self.rng.chance(self.settings.faults.server_dies_in_push) {
            let statements = self.rng.between(1, 40);
            self.server.store.crash_after(statements);
        }
        let tamper = Arc::clone(&self.tamper);
        tamper.server(&wire, self.server.store.inner())?;
        let principal = self.nodes[id].principal.clone();
        let mut response = self.server.handle(&principal, &wire, self.now)?;
        if self.server.store.crashed() {
            self.reached.insert(Rare::ServerCrashInStep);
            self.note(format_args!("server dies in a push of client {id}"));
            self.server.store.recover()?;
            self.crash_server();
            return self.release_held(head);
        }
        self.server.store.recover()?;
        self.observe_answer(id, &wire, &response, head)?;
        tamper.response(&wire, &mut response);
        let wait: u64 = parameter(&wire.query, "wait").and_then(|wait| wait.parse().ok()).unwrap_or_default();
        if pull && may_hold && wait > 0 && page(&response).is_some_and(|page| is_empty(&page)) {
            self.sequence += 1;
            let number = self.sequence;
            self.held.push(Held { number, asker, wire });
            self.later(self.now + wait as i64, Due::Release { held: number });
            return Ok(());
        }
        let ghost = self.server.ghost(&principal, &wire, &response)?;
        if !pull && !self.healed && self.rng.chance(self.settings.faults.server_dies_after_commit) {
            self.reached.insert(Rare::AnswerLostAfterCommit);
            self.note(format_args!("server dies before it answers client {id}"));
            self.crash_server();
        } else {
            self.answer(asker, response, ghost);
        }
        self.release_held(head)
    }

    fn answer(&mut self, asker: Asker, response: WireResponse, ghost: Option<Ghost>) {
        for delay in self.fate(asker.node, Leg::Answer) {
            let due = Due::AtClient { asker, outcome: Ok(response.clone()), ghost: ghost.clone() };
            self.later(self.now + delay, due);
        }
    }

    /// A commit lets the held pulls ask again.
    fn release_held(&mut self, head_before: u64) -> Result<()> {
        if self.server.head()? != head_before {
            for Held { asker, wire, number } in std::mem::take(&mut self.held) {
                if self.server.up {
                    self.held.push(Held { number, asker, wire: wire.clone() });
                    let principal = self.nodes[asker.node].principal.clone();
                    let mut response = self.server.handle(&principal, &wire, self.now)?;
                    if page(&response).is_none_or(|page| !is_empty(&page)) {
                        self.held.retain(|held| held.number != number);
                        let ghost = self.server.ghost(&principal, &wire, &response)?;
                        let head = self.server.head()?;
                        self.observe_answer(asker.node, &wire, &response, head)?;
                        self.tamper.response(&wire, &mut response);
                        self.answer(asker, response, ghost);
                    }
                }
            }
        }
        Ok(())
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

    /// Kills the server's process; what it held is gone, what it committed is not.
    pub fn crash_server(&mut self) {
        self.note(format_args!("server crashes"));
        self.server.up = false;
        for Held { asker, .. } in std::mem::take(&mut self.held) {
            let reset = Err(SendFailure { message: "connection reset".to_owned() });
            self.later(self.now + 1, Due::AtClient { asker, outcome: reset, ghost: None });
        }
    }

    /// Starts the server again over what it had committed.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn start_server(&mut self) -> Result<()> {
        self.note(format_args!("server starts"));
        let definition = Arc::clone(&self.definition);
        self.server.restart(&definition, self.now)
    }

    pub(super) fn trouble(error: &Error) -> Violation {
        Violation::new("application", format!("an engine failed: {error:?}"))
    }
}
