//! A live query with its types: the decoded rows, and those who follow them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::Waker;

use super::delta::{Delta, splice};
use super::diff::{Edit, diff};
use super::node::{Listener, Node, Step};
use super::raw::RawRows;
use super::router::Router;
use super::rows::{LiveState, Output, Rows};
use super::source::Decode;
use crate::client::runtime::dispatch::{Dispatcher, lock};
use crate::error::{Error, Result};
use crate::future::{BoxFuture, MaybeSend, MaybeSync};

/// What a live query needs of its client.
pub(crate) trait Host: MaybeSend + MaybeSync {
    /// The client's registered queries.
    fn router(&self) -> &Router;
    /// Runs waiting queries if the writer is free (whoever holds it does it else), and tells the application what is
    /// queued.
    fn kick(&self);
    /// The same, and waits for the writer.
    fn turn(&self) -> BoxFuture<'_, ()>;
}

/// One live query.
pub(super) struct Typed<R: Output> {
    pub host: Weak<dyn Host>,
    pub dispatcher: Arc<Dispatcher>,
    pub state: Mutex<State<R>>,
}

pub(super) struct State<R: Output> {
    pub decode: Arc<dyn Decode<R>>,
    /// The query it listens to.
    pub node: Option<Weak<Node>>,
    /// The last result that could be read: as it came, and decoded.
    good: Option<(Arc<RawRows>, Rows<R>)>,
    failed: Option<Arc<Error>>,
    /// One more whenever [`shown`](State::shown) changes.
    pub turn: u64,
    pub closed: bool,
    wakers: Vec<Waker>,
    subscribers: Vec<Arc<Subscriber<R>>>,
}

impl<R: Output> State<R> {
    pub(super) fn new(decode: Arc<dyn Decode<R>>) -> Self {
        State {
            decode,
            node: None,
            good: None,
            failed: None,
            turn: 0,
            closed: false,
            wakers: Vec::new(),
            subscribers: Vec::new(),
        }
    }

    /// What the application sees.
    pub(super) fn shown(&self) -> LiveState<R> {
        match (&self.failed, &self.good) {
            (Some(error), _) => LiveState::Failed(error.clone()),
            (None, Some((_, rows))) => LiveState::Ready(rows.clone()),
            (None, None) => LiveState::Loading,
        }
    }

    /// The last good rows; none were there yet is empty.
    pub(super) fn rows(&self) -> Rows<R> {
        self.good.as_ref().map(|(_, rows)| rows.clone()).unwrap_or_default()
    }

    pub(super) fn wait(&mut self, waker: &Waker) {
        if !self.wakers.iter().any(|known| known.will_wake(waker)) {
            self.wakers.push(waker.clone());
        }
    }
}

/// Somebody who is called at changes.
pub(super) struct Subscriber<R> {
    alive: AtomicBool,
    call: Mutex<Box<dyn Call<R>>>,
    wants: Wants,
}

/// What a subscriber is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    Rows,
    Delta,
    State,
}

/// A subscriber's function.
pub(super) trait Call<R>: MaybeSend {
    fn call(&mut self, news: &News<R>);
}

impl<R, F: FnMut(&News<R>) + MaybeSend> Call<R> for F {
    fn call(&mut self, news: &News<R>) {
        self(news);
    }
}

/// What is new.
pub(super) struct News<R> {
    pub state: LiveState<R>,
    pub delta: Option<Arc<Delta<R>>>,
}

impl<R: Output> Typed<R> {
    /// Adds a subscriber. It is called with what is there first, as soon as something is there.
    pub(super) fn subscribe(&self, wants: Wants, call: impl Call<R> + 'static) -> Arc<Subscriber<R>> {
        let subscriber = Arc::new(Subscriber { alive: AtomicBool::new(true), call: Mutex::new(Box::new(call)), wants });
        let mut state = lock(&self.state);
        state.subscribers.push(subscriber.clone());
        // Queued under the lock: later news of this query stand behind it.
        let shown = state.shown();
        match (&shown, wants) {
            (_, Wants::State) => self.tell(&subscriber, shown, None),
            (LiveState::Ready(rows), Wants::Rows | Wants::Delta) => {
                let delta = (wants == Wants::Delta).then(|| Arc::new(Delta::initial(rows)));
                self.tell(&subscriber, shown, delta);
            }
            // A query that fails now still has the rows later deltas start from.
            (LiveState::Failed(_), Wants::Rows | Wants::Delta) if state.good.is_some() => {
                let rows = state.rows();
                let delta = (wants == Wants::Delta).then(|| Arc::new(Delta::initial(&rows)));
                self.tell(&subscriber, LiveState::Ready(rows), delta);
            }
            _ => {}
        }
        subscriber
    }

    /// Removes a subscriber: it is not called any more, but for a call that is under way on another thread.
    pub(super) fn unsubscribe(&self, subscriber: &Arc<Subscriber<R>>) {
        subscriber.alive.store(false, Ordering::SeqCst);
        lock(&self.state).subscribers.retain(|other| !Arc::ptr_eq(other, subscriber));
    }

    fn tell(&self, subscriber: &Arc<Subscriber<R>>, state: LiveState<R>, delta: Option<Arc<Delta<R>>>) {
        let subscriber = subscriber.clone();
        self.dispatcher.push(move || {
            if subscriber.alive.load(Ordering::SeqCst) {
                lock(&subscriber.call).call(&News { state, delta });
            }
        });
    }

    /// Listens to another query from now on. `result` is what it gives now, `decode` reads it. Rows are compared as the
    /// application sees them: read by another decoder, equal raw rows may be other rows.
    pub(super) fn listen(
        &self,
        node: Weak<Node>,
        decode: Arc<dyn Decode<R>>,
        result: Result<Arc<RawRows>, Arc<Error>>,
    ) {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        state.node = Some(node);
        state.decode = decode;
        let decoded = result.and_then(|raw| {
            let rows: Result<Vec<R>> = raw.values.iter().map(|row| state.decode.decode(row.clone())).collect();
            rows.map(|rows| (raw, rows)).map_err(Arc::new)
        });
        let wakers = match decoded {
            Err(error) => self.fail(state, error),
            Ok((raw, decoded)) => {
                let first = state.good.is_none();
                let (old_raw, old) = state.good.take().unwrap_or_default();
                let edit = diff(&old_raw.keys, &raw.keys, |before, after| old[before] == decoded[after]);
                self.accept(state, &raw, old, &edit, first, |at| decoded[at].clone())
            }
        };
        drop(guard);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Takes a result whose rows outside of `edit` are those of `old`.
    fn accept(
        &self,
        state: &mut State<R>,
        raw: &Arc<RawRows>,
        old: Rows<R>,
        edit: &Edit,
        first: bool,
        decoded: impl Fn(usize) -> R,
    ) -> Vec<Waker> {
        let recovered = state.failed.take().is_some();
        let changed: Vec<_> = edit.changed.iter().map(|&(from, to)| (from, to, decoded(to))).collect();
        let visible = first
            || !edit.added.is_empty()
            || !edit.removed.is_empty()
            || changed.iter().any(|(from, to, new)| from != to || old[*from] != *new);
        let wanted = |wants| visible && state.subscribers.iter().any(|subscriber| subscriber.wants == wants);
        let added: Vec<_> = edit.added.iter().map(|&index| (index, decoded(index))).collect();
        let delta = wanted(Wants::Delta).then(|| Arc::new(Delta::of(edit, &old, &decoded)));
        let rows = if edit.is_empty() {
            old
        } else {
            let gone = edit.removed.iter().copied().chain(changed.iter().map(|(from, ..)| *from)).collect();
            let come = added.into_iter().chain(changed.into_iter().map(|(_, to, new)| (to, new))).collect();
            let old = Arc::try_unwrap(old.0).unwrap_or_else(|shared| shared.to_vec());
            let newer = splice(old, gone, come).unwrap_or_else(|_| unreachable!("the edit starts from these rows"));
            Rows(Arc::new(newer))
        };
        state.good = Some((raw.clone(), rows));
        if !visible && !recovered {
            return Vec::new();
        }
        state.turn += 1;
        let shown = state.shown();
        for subscriber in &state.subscribers {
            match subscriber.wants {
                Wants::Rows if visible => self.tell(subscriber, shown.clone(), None),
                Wants::Delta if visible => self.tell(subscriber, shown.clone(), delta.clone()),
                Wants::State => self.tell(subscriber, shown.clone(), None),
                Wants::Rows | Wants::Delta => {}
            }
        }
        std::mem::take(&mut state.wakers)
    }

    fn fail(&self, state: &mut State<R>, error: Arc<Error>) -> Vec<Waker> {
        state.failed = Some(error);
        state.turn += 1;
        let shown = state.shown();
        for subscriber in state.subscribers.iter().filter(|subscriber| subscriber.wants == Wants::State) {
            self.tell(subscriber, shown.clone(), None);
        }
        std::mem::take(&mut state.wakers)
    }
}

impl<R: Output> Listener for Typed<R> {
    fn result(&self, raw: &Arc<RawRows>, step: Option<&Step>) {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        let computed;
        let empty = Arc::<RawRows>::default();
        let before = state.good.as_ref().map_or(&empty, |(before, _)| before);
        let edit = match step {
            Some(step) if Arc::ptr_eq(&step.before, before) => &step.edit,
            _ if Arc::ptr_eq(raw, before) => {
                computed = Edit::default();
                &computed
            }
            _ => {
                computed = raw.edit_from(before);
                &computed
            }
        };
        // Everything is read before anything is changed: a row that cannot be read leaves the last good result.
        let places = edit.added.iter().copied().chain(edit.changed.iter().map(|(_, to)| *to));
        let decoded: Result<std::collections::BTreeMap<usize, R>> =
            places.map(|at| Ok((at, state.decode.decode(raw.values[at].clone())?))).collect();
        let wakers = match decoded {
            Err(error) => self.fail(state, Arc::new(error)),
            Ok(decoded) => {
                let first = state.good.is_none();
                let old = state.good.take().map(|(_, rows)| rows).unwrap_or_default();
                self.accept(state, raw, old, edit, first, |at| decoded[&at].clone())
            }
        };
        drop(guard);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn failed(&self, error: &Arc<Error>) {
        let wakers = self.fail(&mut lock(&self.state), error.clone());
        wakers.into_iter().for_each(Waker::wake);
    }

    fn closed(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl<R: Output> Drop for Typed<R> {
    fn drop(&mut self) {
        let node = lock(&self.state).node.take();
        if let (Some(node), Some(host)) = (node, self.host.upgrade()) {
            host.router().detach(&node, None);
        }
    }
}
