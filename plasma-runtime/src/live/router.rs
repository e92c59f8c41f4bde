//! Which live queries a transaction concerns.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};

use super::node::{Listener, Node};
use super::raw::RawRows;
use super::statement::Statement;
use crate::client::event::Batch;
use crate::client::runtime::dispatch::lock;
use crate::error::Error;
use crate::future::MaybeSend;
use crate::store::SqlConnection;

/// The registered queries, by the tables they read.
///
/// Three places call it, all in a turn of the writer, so that nothing is missed and nothing seen twice:
/// [`changed`](Self::changed) after a commit, [`admit`](Self::admit) before the turn ends. Everything else
/// ([`enlist`](Self::enlist), [`forget`](Self::forget)) may be called at any time.
#[derive(Default)]
pub(crate) struct Router {
    nodes: Mutex<Vec<Arc<Node>>>,
    waiting: Mutex<Waiting>,
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
    /// A transaction was committed: runs the queries that read its tables, and only those.
    pub(crate) fn changed(&self, batch: &Batch, store: &mut dyn SqlConnection) {
        let concerned: Vec<Arc<Node>> = {
            let nodes = lock(&self.nodes);
            nodes.iter().filter(|node| batch.all || node.statement.concerns(&batch.changes)).cloned().collect()
        };
        let mut idle = false;
        for node in &concerned {
            idle |= !node.rerun(store);
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

    /// Whether queries wait for their first run.
    pub(crate) fn has_waiting(&self) -> bool {
        lock(&self.waiting).0.as_ref().is_some_and(|line| !line.is_empty())
    }

    /// Runs the waiting queries for the first time and registers them.
    pub(crate) fn admit(&self, store: &mut dyn SqlConnection) {
        loop {
            let next = lock(&self.waiting).0.as_mut().and_then(VecDeque::pop_front);
            let Some((_, admission)) = next else { return };
            admission.admit(self, store);
        }
    }

    /// Registers a listener for a query and gives the result there is; an equal query that is registered already is
    /// shared.
    pub(super) fn attach(
        &self,
        statement: Statement,
        listener: &Arc<dyn Listener>,
        store: &mut dyn SqlConnection,
    ) -> (Weak<Node>, Result<Arc<RawRows>, Arc<Error>>) {
        let node = {
            let mut nodes = lock(&self.nodes);
            match nodes.iter().find(|node| node.is_for(&statement.query)) {
                Some(node) => node.clone(),
                None => {
                    let node = Arc::new(Node::new(statement));
                    nodes.push(node.clone());
                    node
                }
            }
        };
        let result = node.attach(listener, store);
        (Arc::downgrade(&node), result)
    }

    /// Removes a listener from a query, or only those that are gone; and the query when nobody listens any more.
    pub(super) fn detach(&self, node: &Weak<Node>, listener: Option<&Arc<dyn Listener>>) {
        if let Some(node) = node.upgrade().filter(|node| node.detach(listener)) {
            lock(&self.nodes).retain(|other| !Arc::ptr_eq(other, &node));
        }
    }

    /// Removes the queries nobody listens to.
    fn sweep(&self) {
        lock(&self.nodes).retain(|node| !node.detach(None));
    }

    /// The client is closed: no query is run any more.
    pub(crate) fn close(&self) {
        let nodes = std::mem::take(&mut *lock(&self.nodes));
        let waiting = lock(&self.waiting).0.take();
        nodes.iter().for_each(|node| node.close());
        waiting.iter().flatten().for_each(|(listener, _)| listener.closed());
    }

    /// How many distinct queries are kept up to date.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.nodes).len()
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router")
            .field("queries", &lock(&self.nodes).len())
            .field("waiting", &self.has_waiting())
            .finish()
    }
}
