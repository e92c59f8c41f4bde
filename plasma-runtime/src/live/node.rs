//! One query that is kept up to date, its types forgotten. Equal queries share one.

use std::pin::pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

use super::change::RowChange;
use super::delta::Delta;
use super::ivm::{Interest, SharedRow};
use super::maintained::{Maintained, Stepped};
use super::raw::RawRows;
use super::statement::Statement;
use crate::client::runtime::dispatch::lock;
use crate::error::{Error, Result};
use crate::future::{MaybeSend, MaybeSync};
use crate::query::ir;
use crate::store::SqlConnection;

/// Who wants the result, with its types.
pub(super) trait Listener: MaybeSend + MaybeSync {
    /// What is new.
    fn step(&self, node: &Node, step: &Step);
    /// The query could not be run. The listener keeps what it holds.
    fn failed(&self, error: &Arc<Error>);
    /// The client is closed: no result will follow.
    fn closed(&self);
}

/// How the newest result came from the one before.
#[derive(Debug)]
pub(super) struct Step {
    /// Which result the delta starts from, and which it leads to.
    pub from: u64,
    pub to: u64,
    pub delta: Delta<SharedRow>,
}

/// A result, and its number.
pub(super) type Numbered = (u64, RawRows);

/// A registered query.
pub(super) struct Node {
    /// Its number in the router.
    pub number: u64,
    pub query: ir::Query,
    /// Which changes it has to be told of.
    pub interests: Vec<Interest>,
    state: Mutex<State>,
}

struct State {
    maintained: Maintained,
    /// The number of the newest result; 0 when there is none.
    turn: u64,
    /// The last result, when the query failed since and holds none.
    last: Option<RawRows>,
    /// Why the query cannot be run now.
    failed: Option<Arc<Error>>,
    listeners: Vec<Weak<dyn Listener>>,
}

impl Node {
    pub(super) fn new(number: u64, statement: Statement) -> Self {
        let query = statement.query.clone();
        let maintained = Maintained::new(statement);
        let interests = maintained.interests().to_vec();
        let state = State { maintained, turn: 0, last: None, failed: None, listeners: Vec::new() };
        Node { number, query, interests, state: Mutex::new(state) }
    }

    /// Adds a listener and gives the result there is; what comes later the listener is told. Called in a turn of the
    /// writer, so that nothing falls between the two.
    pub(super) fn attach(
        &self,
        listener: &Arc<dyn Listener>,
        store: &mut dyn SqlConnection,
    ) -> Result<Numbered, Arc<Error>> {
        let known = {
            let state = lock(&self.state);
            state.turn > 0 && state.failed.is_none()
        };
        if !known {
            self.rerun(store);
        }
        let mut state = lock(&self.state);
        state.listeners.push(Arc::downgrade(listener));
        match &state.failed {
            Some(error) => Err(error.clone()),
            None => Ok((state.turn, state.result())),
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

    /// The newest result that could be read, and its number.
    pub(super) fn result(&self) -> Numbered {
        let state = lock(&self.state);
        (state.turn, state.result())
    }

    /// Takes the changes of a transaction and tells the listeners what is new. Called in a turn of the writer, after the
    /// commit. False when nobody listens.
    pub(super) fn change(&self, changes: &[&RowChange], store: &mut dyn SqlConnection) -> bool {
        let news = lock(&self.state).change(changes, store);
        self.tell(&news)
    }

    /// Reads everything anew, and tells the listeners what is new.
    pub(super) fn rerun(&self, store: &mut dyn SqlConnection) -> bool {
        let news = lock(&self.state).rerun(store);
        self.tell(&news)
    }

    fn tell(&self, news: &News) -> bool {
        // A listener may be dropped here for the last time, and its drop locks this node: no lock is held around them.
        let listeners: Vec<_> = lock(&self.state).listeners.iter().filter_map(Weak::upgrade).collect();
        for listener in &listeners {
            match news {
                News::Nothing => {}
                News::Step(step) => listener.step(self, step),
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

/// What is new.
enum News {
    Nothing,
    Step(Step),
    Failed(Arc<Error>),
}

impl State {
    fn result(&self) -> RawRows {
        self.maintained.result().or_else(|| self.last.as_ref().map(RawRows::copy)).unwrap_or_default()
    }

    fn change(&mut self, changes: &[&RowChange], store: &mut dyn SqlConnection) -> News {
        if self.failed.is_some() || self.turn == 0 {
            return self.rerun(store);
        }
        match self.maintained.step(changes) {
            Stepped::Delta(delta) => self.took(delta, false),
            Stepped::Read => self.rerun(store),
            Stepped::Lost => {
                // No listener holds the result of this number: each compares what it has with what will be.
                self.turn += 1;
                self.last = None;
                self.rerun(store)
            }
        }
    }

    fn rerun(&mut self, store: &mut dyn SqlConnection) -> News {
        if self.maintained.is_waiting() {
            // If that fails, everything is read anew, which does not depend on what is held.
            if let Ok(delta) = now(self.maintained.read(store)) {
                return self.took(delta, false);
            }
        }
        let before = self.maintained.result().or_else(|| self.last.take());
        match now(self.maintained.run(store)) {
            Ok(()) => {
                let recovered = self.failed.take().is_some();
                let after = self.maintained.result().unwrap_or_default();
                let unknown = before.is_none();
                self.took(after.delta_from(&before.unwrap_or_default()), recovered || unknown)
            }
            Err(error) => {
                let error = Arc::new(error);
                (self.last, self.failed) = (before, Some(error.clone()));
                News::Failed(error)
            }
        }
    }

    fn took(&mut self, delta: Delta<SharedRow>, anyway: bool) -> News {
        if delta.is_empty() && !anyway {
            return News::Nothing;
        }
        let from = self.turn;
        self.turn += 1;
        News::Step(Step { from, to: self.turn, delta })
    }
}

/// What a synchronous connection answers, which is ready at once.
pub(super) fn now<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => Err(Error::internal("a synchronous connection was not ready at once")),
    }
}
