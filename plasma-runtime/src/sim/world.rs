//! The simulated system: clients, servers, network, clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use super::history::History;
use super::message::{Due, Held};
use super::node::{Issued, Node, NodeId};
use super::releases::{Version, Versions};
use super::server::Servers;
use super::trace::{Keep, Trace};
use super::transactions::Transactions;
use super::workload::{Call, Rows, Workload};
use super::{Rare, Rng, Settings, Tamper, Violation};
use crate::client::event::{Action, ClientErrorKind, Event, Inputs};
use crate::client::{Engine, EngineOptions};
use crate::error::{Error, Result};
use crate::schema::Definition;
use crate::store::sqlite::SqliteConnection;

/// The virtual time at the start: 2025-01-01, unix ms.
pub(super) const EPOCH: i64 = 1_735_689_600_000;

/// A system under simulation. [`Sim`](super::Sim) drives it at random; a test may drive it by hand.
pub struct World {
    pub(super) versions: Versions,
    pub(super) tamper: Arc<dyn Tamper>,
    pub(super) settings: Settings,
    pub(super) now: i64,
    pub(super) rng: Rng,
    pub(super) servers: Servers,
    pub(super) transactions: Transactions,
    pub(super) nodes: Vec<Node>,
    pub(super) trace: Trace,
    pub(super) history: History,
    pub(super) reached: BTreeSet<Rare>,
    /// Audit rows some client has tried to write.
    pub(super) attempted: BTreeSet<Uuid>,
    /// Cookies the server has made, and how often it had been restored when it did.
    pub(super) cookies: BTreeMap<String, u32>,
    /// The first invariant that broke.
    pub(super) violation: Option<Violation>,
    /// Faults are over.
    pub(super) healed: bool,
    pub(super) queue: BTreeMap<(i64, u64), Due>,
    pub(super) held: Vec<Held>,
    /// Numbers what happens later, and pulls that are held.
    pub(super) sequence: u64,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.now).field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}

impl World {
    /// A system with [`Settings::servers`] servers and no clients yet, from a seed.
    ///
    /// # Errors
    /// Those of the definition and of SQLite.
    pub fn new(workload: Arc<dyn Workload>, settings: Settings, seed: u64) -> Result<Self> {
        let template = Servers::template(&*workload)?;
        World::over(&template, Versions::of(&workload), Arc::new(super::NoTamper), settings, seed, Keep::Nothing)
    }

    pub(super) fn over(
        template: &SqliteConnection,
        versions: Versions,
        tamper: Arc<dyn Tamper>,
        settings: Settings,
        seed: u64,
        keep: Keep,
    ) -> Result<Self> {
        let mut rng = Rng::new(seed);
        let servers = Servers::new(template, &versions[0].definition, settings.servers, rng.fork())?;
        (0..servers.count()).for_each(|server| tamper.started(server));
        Ok(World {
            versions,
            tamper,
            settings,
            now: EPOCH,
            rng,
            servers,
            transactions: Transactions::default(),
            nodes: Vec::new(),
            trace: Trace::new(keep),
            history: History::default(),
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

    /// The version of the application that a client has.
    pub(super) fn version_of(&self, id: NodeId) -> &Version {
        &self.versions[self.nodes[id].version]
    }

    /// What a client knows.
    pub(super) fn definition_of(&self, id: NodeId) -> Arc<Definition> {
        Arc::clone(&self.version_of(id).definition)
    }

    pub(super) fn workload_of(&self, id: NodeId) -> Arc<dyn Workload> {
        Arc::clone(&self.version_of(id).workload)
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
        self.add_node(user, 0, options, store)
    }

    pub(super) fn add_node(
        &mut self,
        user: usize,
        version: usize,
        mut options: EngineOptions,
        store: SqliteConnection,
    ) -> Result<NodeId> {
        let principal = self.versions[0].workload.principal(user);
        options.group = Some(principal.group.clone());
        options.base_path.get_or_insert_with(|| self.servers.base_path());
        let id = self.nodes.len();
        self.nodes.push(Node {
            user,
            principal,
            store: super::crashy::CrashyStore::new(store),
            engine: None,
            incarnation: 0,
            version,
            rng: self.rng.fork(),
            options,
            wake: None,
            outstanding: BTreeSet::new(),
            offline: false,
            skew: 0,
            frozen: None,
            disk_full: false,
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
        self.open_client(id, None)
    }

    /// The same; it may die after so many statements of its start.
    pub(super) fn open_client(&mut self, id: NodeId, dies_after: Option<u64>) -> Result<()> {
        let definition = self.definition_of(id);
        let now = self.clock(id);
        let node = &mut self.nodes[id];
        node.store.recover()?;
        if let Some(statements) = dies_after {
            node.store.crash_after(statements);
        }
        node.incarnation += 1;
        let mut inputs = Inputs { now, entropy: &mut node.rng };
        let opened = Engine::open(&mut node.store, definition, node.options.clone(), &mut inputs);
        if node.store.crashed() {
            return self.client_died(id);
        }
        if dies_after.is_some() {
            node.store.recover()?;
        }
        let (engine, actions) = match opened {
            Err(error) if node.disk_full => {
                self.note(format_args!("client {id} cannot open: {error}"));
                return Ok(());
            }
            opened => opened?,
        };
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
        node.frozen = None;
        node.outstanding.clear();
        node.wake = None;
    }

    /// Gives an event to a client.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn event(&mut self, id: NodeId, event: Event) -> Result<()> {
        let now = self.clock(id);
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
        let now = self.clock(id);
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
                if let Some(entry) = call.audit {
                    self.history.write(id, entry);
                }
                self.note(format_args!("client {id} mutates {:?} {} {}", mutated.id, call.name, call.args));
                self.act(id, actions)?;
                Ok(true)
            }
            Err(error) if error.is_refusal() => {
                self.note(format_args!("client {id} is refused {} {}: {error}", call.name, call.args));
                Ok(false)
            }
            Err(error) if node.disk_full => {
                self.reached.insert(Rare::DiskFull);
                self.note(format_args!("client {id} has no space for {}: {error}", call.name));
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
                    let incarnation = self.nodes[id].incarnation;
                    // Timers count the time that passes, whatever the clock shows then.
                    let at = (at - self.nodes[id].skew).max(self.now + 1);
                    self.nodes[id].wake = Some(at);
                    self.later(at, Due::Wake { node: id, incarnation, at });
                }
                Action::Changed(_) => {
                    let workload = self.workload_of(id);
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

    /// What the clock of a client's device shows, unix ms.
    pub(super) fn clock(&self, id: NodeId) -> i64 {
        self.now + self.nodes[id].skew
    }

    pub(super) fn trouble(error: &Error) -> Violation {
        Violation::new("application", format!("an engine failed: {error:?}"))
    }
}
