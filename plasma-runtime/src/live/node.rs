//! One query that is kept up to date, its types forgotten. Equal queries share one.

use std::sync::{Arc, Mutex, Weak};

use super::diff::Edit;
use super::raw::RawRows;
use super::statement::Statement;
use crate::client::runtime::dispatch::lock;
use crate::error::Error;
use crate::future::{MaybeSend, MaybeSync};
use crate::query::ir;
use crate::store::SqlConnection;

/// Who wants the result, with its types.
pub(super) trait Listener: MaybeSend + MaybeSync {
    /// A new result. `step` is the edit from the result before it, for a listener that holds that one.
    fn result(&self, rows: &Arc<RawRows>, step: Option<&Step>);
    /// The query could not be run. The listener keeps what it holds.
    fn failed(&self, error: &Arc<Error>);
    /// The client is closed: no result will follow.
    fn closed(&self);
}

/// How the newest result came from the one before.
pub(super) struct Step {
    pub before: Arc<RawRows>,
    pub edit: Edit,
}

/// A registered query.
pub(super) struct Node {
    pub statement: Statement,
    state: Mutex<State>,
}

struct State {
    /// The last result that could be read.
    rows: Option<Arc<RawRows>>,
    /// Why the query cannot be run now.
    failed: Option<Arc<Error>>,
    listeners: Vec<Weak<dyn Listener>>,
}

impl Node {
    pub(super) fn new(statement: Statement) -> Self {
        Node { statement, state: Mutex::new(State { rows: None, failed: None, listeners: Vec::new() }) }
    }

    pub(super) fn is_for(&self, query: &ir::Query) -> bool {
        self.statement.query == *query
    }

    /// Adds a listener and gives the result there is; what comes later the listener is told. Called in a turn of the
    /// writer, so that nothing falls between the two.
    pub(super) fn attach(
        &self,
        listener: &Arc<dyn Listener>,
        store: &mut dyn SqlConnection,
    ) -> Result<Arc<RawRows>, Arc<Error>> {
        let known = {
            let state = lock(&self.state);
            state.rows.clone().filter(|_| state.failed.is_none())
        };
        if known.is_none() {
            self.rerun(store);
        }
        let mut state = lock(&self.state);
        state.listeners.push(Arc::downgrade(listener));
        match (&state.failed, &state.rows) {
            (Some(error), _) => Err(error.clone()),
            (None, Some(rows)) => Ok(rows.clone()),
            (None, None) => unreachable!("the query was run"),
        }
    }

    /// Removes a listener, and those that are gone. True when nobody is left.
    pub(super) fn detach(&self, listener: Option<&Arc<dyn Listener>>) -> bool {
        let mut state = lock(&self.state);
        state.listeners.retain(|weak| {
            weak.strong_count() > 0 && listener.is_none_or(|gone| !std::ptr::addr_eq(weak.as_ptr(), Arc::as_ptr(gone)))
        });
        state.listeners.is_empty()
    }

    /// Runs the query and tells the listeners what is new. Called in a turn of the writer, after the commit. False when
    /// nobody listens.
    pub(super) fn rerun(&self, store: &mut dyn SqlConnection) -> bool {
        let result = self.statement.run(store).map(Arc::new).map_err(Arc::new);
        // A listener may be dropped here for the last time, and its drop locks this node: no lock is held around them.
        let (news, listeners) = {
            let mut state = lock(&self.state);
            let news = state.take(result);
            (news, state.listeners.iter().filter_map(Weak::upgrade).collect::<Vec<_>>())
        };
        for listener in &listeners {
            match &news {
                News::Nothing => {}
                News::Result(rows, step) => listener.result(rows, step.as_ref()),
                News::Failed(error) => listener.failed(error),
            }
        }
        !listeners.is_empty()
    }

    /// Tells the listeners that no result will follow.
    pub(super) fn close(&self) {
        let listeners: Vec<_> = lock(&self.state).listeners.iter().filter_map(Weak::upgrade).collect();
        for listener in &listeners {
            listener.closed();
        }
    }
}

/// What a run of the query brought.
enum News {
    Nothing,
    Result(Arc<RawRows>, Option<Step>),
    Failed(Arc<Error>),
}

impl State {
    fn take(&mut self, result: Result<Arc<RawRows>, Arc<Error>>) -> News {
        match result {
            Ok(rows) => {
                let recovered = self.failed.take().is_some();
                let step = self.rows.take().map(|before| Step { edit: rows.edit_from(&before), before });
                match step {
                    // The listeners' result stays the one they know, so that it is compared by pointer next time.
                    Some(step) if step.edit.is_empty() => {
                        self.rows = Some(step.before.clone());
                        if recovered { News::Result(step.before.clone(), None) } else { News::Nothing }
                    }
                    step => {
                        self.rows = Some(rows.clone());
                        News::Result(rows, step)
                    }
                }
            }
            Err(error) => {
                self.failed = Some(error.clone());
                News::Failed(error)
            }
        }
    }
}
