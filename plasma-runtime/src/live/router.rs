//! Which live queries a transaction concerns.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, Weak};

use super::change::RowChange;
use super::node::{Listener, Node, Numbered};
use super::routes::Routes;
use super::statement::Statement;
use crate::client::event::Batch;
use crate::client::runtime::dispatch::lock;
use crate::error::Error;
use crate::future::MaybeSend;
use crate::query::ir;
use crate::query::lower::Dialect;
use crate::store::SqlConnection;
use crate::value::Row;

/// The registered queries, by the changes they have to be told of.
///
/// A transaction costs what it touches: the queries of each row that changed are found by its values before and after
/// (`routes`), however many others there are.
///
/// Three places call it, all in a turn of the writer, so that nothing is missed and nothing seen twice:
/// [`changed`](Self::changed) after a commit, [`admit`](Self::admit) before the turn ends. Everything else
/// ([`enlist`](Self::enlist), [`forget`](Self::forget)) may be called at any time.
#[derive(Default)]
pub(crate) struct Router {
    registered: Mutex<Registered>,
    waiting: Mutex<Waiting>,
    pause: Mutex<Pause>,
    /// How often a query was handed changes.
    #[cfg(test)]
    told: std::sync::atomic::AtomicUsize,
}

/// The queries, by their numbers, which ascend.
#[derive(Default)]
struct Registered {
    nodes: BTreeMap<u64, Arc<Node>>,
    routes: Routes,
    /// The numbers of queries by what they look like.
    known: HashMap<u64, Vec<u64>>,
    last: u64,
}

impl Registered {
    fn find(&self, query: &ir::Query) -> Option<Arc<Node>> {
        let numbers = self.known.get(&likeness(query))?;
        numbers.iter().filter_map(|number| self.nodes.get(number)).find(|node| node.query == *query).cloned()
    }

    fn add(&mut self, query: ir::Query) -> Arc<Node> {
        self.last += 1;
        let looks = likeness(&query);
        let node = Arc::new(Node::new(self.last, Statement::new(Dialect::Sqlite, query)));
        self.known.entry(looks).or_default().push(node.number);
        self.routes.add(node.number, &node.interests);
        self.nodes.insert(node.number, node.clone());
        node
    }

    fn remove(&mut self, node: &Node) {
        if self.nodes.remove(&node.number).is_none() {
            return;
        }
        self.routes.remove(node.number, &node.interests);
        let looks = likeness(&node.query);
        if let Some(numbers) = self.known.get_mut(&looks) {
            numbers.retain(|number| *number != node.number);
            if numbers.is_empty() {
                self.known.remove(&looks);
            }
        }
    }

    /// The queries that the changes concern, in order, each with its changes.
    fn concerned<'b>(&self, changes: &'b [RowChange]) -> Vec<(Arc<Node>, Vec<&'b RowChange>)> {
        let mut found: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (at, change) in changes.iter().enumerate() {
            let mut add = |number: u64| {
                let places = found.entry(number).or_default();
                if places.last() != Some(&at) {
                    places.push(at);
                }
            };
            for row in change.before.iter().chain(&change.after) {
                self.routes.find(change.table, row, &mut add);
            }
        }
        let node = |(number, places): (u64, Vec<usize>)| {
            let node = self.nodes.get(&number)?.clone();
            Some((node, places.into_iter().map(|at| &changes[at]).collect()))
        };
        found.into_iter().filter_map(node).collect()
    }
}

/// Equal queries look alike.
fn likeness(query: &ir::Query) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{query:?}").hash(&mut hasher);
    hasher.finish()
}

/// Notifications that are held back.
#[derive(Default)]
struct Pause {
    holders: usize,
    /// The net changes so far, by table and id: the row before the first, the row after the last.
    held: BTreeMap<(&'static str, String), Images>,
    all: bool,
}

/// A row before and after.
type Images = (Option<Row>, Option<Row>);

impl Pause {
    fn keep(&mut self, batch: &Batch) {
        self.all |= batch.all;
        for change in &batch.changes {
            let images =
                self.held.entry((change.table, change.id.clone())).or_insert_with(|| (change.before.clone(), None));
            images.1.clone_from(&change.after);
        }
    }

    fn is_over(&self) -> bool {
        self.holders == 0 && (self.all || !self.held.is_empty())
    }

    fn take(&mut self) -> Option<Batch> {
        let all = std::mem::take(&mut self.all);
        let held = std::mem::take(&mut self.held).into_iter().filter(|(_, (before, after))| before != after);
        let changes: Vec<RowChange> =
            held.map(|((table, id), (before, after))| RowChange { table, id, before, after }).collect();
        (all || !changes.is_empty()).then_some(Batch { changes, all, ..Batch::default() })
    }
}

/// The line of queries that wait for their first run; none once the client is closed.
struct Waiting(Option<VecDeque<Entry>>);

type Entry = (Arc<dyn Listener>, Box<dyn Admission>);

impl Default for Waiting {
    fn default() -> Self {
        Waiting(Some(VecDeque::new()))
    }
}

/// A query that waits for a turn of the writer to be run for the first time.
pub(super) trait Admission: MaybeSend {
    /// Registers it.
    fn admit(self: Box<Self>, router: &Router, store: &mut dyn SqlConnection);
}

impl<F: FnOnce(&Router, &mut dyn SqlConnection) + MaybeSend> Admission for F {
    fn admit(self: Box<Self>, router: &Router, store: &mut dyn SqlConnection) {
        self(router, store);
    }
}

impl Router {
    /// A transaction was committed: tells the queries it concerns, and only those; when notifications are paused, later.
    pub(crate) fn changed(&self, batch: &Batch, store: &mut dyn SqlConnection) {
        {
            let mut pause = lock(&self.pause);
            if pause.holders > 0 {
                pause.keep(batch);
                return;
            }
        }
        self.catch_up(store);
        self.hand_over(batch, store);
    }

    /// Hands over what came while notifications were paused.
    fn catch_up(&self, store: &mut dyn SqlConnection) {
        let held = lock(&self.pause).take();
        if let Some(batch) = held {
            self.hand_over(&batch, store);
        }
    }

    /// From now on changes are kept, until [`resume`](Self::resume) was called as often.
    pub(super) fn pause(&self) {
        lock(&self.pause).holders += 1;
    }

    /// Ends a pause. What came meanwhile is handed over in the next turn of the writer.
    pub(super) fn resume(&self) {
        let mut pause = lock(&self.pause);
        pause.holders = pause.holders.saturating_sub(1);
    }

    fn hand_over(&self, batch: &Batch, store: &mut dyn SqlConnection) {
        let mut idle = false;
        if batch.all {
            let nodes: Vec<_> = lock(&self.registered).nodes.values().cloned().collect();
            for node in &nodes {
                idle |= !node.rerun(store);
            }
        } else {
            let concerned = lock(&self.registered).concerned(&batch.changes);
            #[cfg(test)]
            self.told.fetch_add(concerned.len(), std::sync::atomic::Ordering::Relaxed);
            for (node, changes) in &concerned {
                idle |= !node.change(changes, store);
            }
        }
        if idle {
            self.sweep();
        }
    }

    /// Puts a query into the line for [`admit`](Self::admit).
    pub(super) fn enlist(&self, listener: Arc<dyn Listener>, admission: impl Admission + 'static) {
        let refused = match &mut lock(&self.waiting).0 {
            Some(line) => {
                line.push_back((listener, Box::new(admission)));
                None
            }
            None => Some(listener),
        };
        if let Some(listener) = refused {
            listener.closed();
        }
    }

    /// Whether queries wait for their first run, or changes for the end of a pause that is over.
    pub(crate) fn has_waiting(&self) -> bool {
        lock(&self.waiting).0.as_ref().is_some_and(|line| !line.is_empty()) || lock(&self.pause).is_over()
    }

    /// Runs the waiting queries for the first time and registers them; hands over what a pause that is over has kept.
    pub(crate) fn admit(&self, store: &mut dyn SqlConnection) {
        if lock(&self.pause).is_over() {
            self.catch_up(store);
        }
        loop {
            let next = lock(&self.waiting).0.as_mut().and_then(VecDeque::pop_front);
            let Some((_, admission)) = next else { return };
            // What the store shows and others were not told yet must not be told to a query that begins with it.
            self.catch_up(store);
            admission.admit(self, store);
        }
    }

    /// Registers a listener for a query and gives the result there is; an equal query that is registered already is
    /// shared.
    pub(super) fn attach(
        &self,
        query: ir::Query,
        listener: &Arc<dyn Listener>,
        store: &mut dyn SqlConnection,
    ) -> (Weak<Node>, Result<Numbered, Arc<Error>>) {
        let node = {
            let mut registered = lock(&self.registered);
            registered.find(&query).unwrap_or_else(|| registered.add(query))
        };
        let result = node.attach(listener, store);
        (Arc::downgrade(&node), result)
    }

    /// Removes a listener from a query, or only those that are gone; and the query when nobody listens any more.
    pub(super) fn detach(&self, node: &Weak<Node>, listener: Option<&Arc<dyn Listener>>) {
        if let Some(node) = node.upgrade().filter(|node| node.detach(listener)) {
            lock(&self.registered).remove(&node);
        }
    }

    /// Removes the queries nobody listens to.
    fn sweep(&self) {
        let mut registered = lock(&self.registered);
        let idle: Vec<_> = registered.nodes.values().filter(|node| node.detach(None)).cloned().collect();
        idle.iter().for_each(|node| registered.remove(node));
    }

    /// The client is closed: no query is run any more.
    pub(crate) fn close(&self) {
        let nodes = std::mem::take(&mut *lock(&self.registered)).nodes;
        let waiting = lock(&self.waiting).0.take();
        nodes.values().for_each(|node| node.close());
        waiting.iter().flatten().for_each(|(listener, _)| listener.closed());
    }

    /// How often a query was handed changes.
    #[cfg(test)]
    pub(super) fn told(&self) -> usize {
        self.told.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// How many distinct queries are kept up to date.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.registered).nodes.len()
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router")
            .field("queries", &lock(&self.registered).nodes.len())
            .field("waiting", &self.has_waiting())
            .finish()
    }
}
