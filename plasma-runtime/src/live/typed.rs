//! A live query with its types: the decoded rows, and those who follow them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::Waker;

use super::delta::{Added, Changed, Delta, Removed, splice};
use super::diff::diff;
use super::ivm::SharedRow;
use super::node::{Listener, Node, Numbered, Step};
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
    /// The last result that could be read.
    good: Option<Good<R>>,
    failed: Option<Arc<Error>>,
    /// One more whenever [`shown`](State::shown) changes.
    pub turn: u64,
    pub closed: bool,
    wakers: Vec<Waker>,
    subscribers: Vec<Arc<Subscriber<R>>>,
}

/// A result, decoded.
struct Good<R> {
    rows: Rows<R>,
    /// Which result of the node it is; none when the node has gone on without it, to rows that could not be read.
    turn: Option<u64>,
    /// The keys of the rows, once they can no longer be asked of the node.
    keys: Vec<Box<str>>,
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
            (None, Some(good)) => LiveState::Ready(good.rows.clone()),
            (None, None) => LiveState::Loading,
        }
    }

    /// The last good rows; none were there yet is empty.
    pub(super) fn rows(&self) -> Rows<R> {
        self.good.as_ref().map(|good| good.rows.clone()).unwrap_or_default()
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

    /// Stops listening to the query so far, but keeps what it showed. In a turn of the writer.
    pub(super) fn leave(&self) -> Option<Weak<Node>> {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        let node = state.node.take()?;
        if let (Some(good), Some(known)) = (&mut state.good, node.upgrade())
            && good.turn.is_some()
        {
            (good.turn, good.keys) = (None, known.result().1.keys);
        }
        Some(node)
    }

    /// Listens to another query from now on. `result` is what it gives now, `decode` reads it. Rows are compared as the
    /// application sees them: read by another decoder, equal raw rows may be other rows.
    pub(super) fn listen(&self, node: Weak<Node>, decode: Arc<dyn Decode<R>>, result: Result<Numbered, Arc<Error>>) {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        state.node = Some(node);
        state.decode = decode;
        let wakers = match result {
            Ok((turn, raw)) => self.anew(state, turn, &raw),
            Err(error) => self.fail(state, error),
        };
        drop(guard);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Takes a whole result.
    fn anew(&self, state: &mut State<R>, turn: u64, raw: &RawRows) -> Vec<Waker> {
        let decoded: Result<Vec<R>> = raw.values.iter().map(|row| state.decode.decode(row.to_vec())).collect();
        let decoded = match decoded {
            Ok(decoded) => decoded,
            Err(error) => return self.fail(state, Arc::new(error)),
        };
        let first = state.good.is_none();
        let (old, mut keys) = state.good.take().map(|good| (good.rows, good.keys)).unwrap_or_default();
        if keys.len() != old.len() {
            // Nobody knows any more which rows these were: they go, and all others come.
            keys = (0..old.len()).map(gone_key).collect();
        }
        let edit = diff(&keys, &raw.keys, |before, after| old[before] == decoded[after]);
        let delta = Delta::of(&edit, &old, |at| decoded[at].clone());
        state.good = Some(Good { rows: Rows(Arc::new(decoded)), turn: Some(turn), keys: Vec::new() });
        self.show(state, delta, first)
    }

    /// Takes the step from the rows there are.
    fn follow(&self, state: &mut State<R>, node: &Node, step: &Step) -> Vec<Waker> {
        // Everything is read before anything is changed: a row that cannot be read leaves the last good result.
        let come = match coming(&*state.decode, &step.delta) {
            Ok(come) => come,
            Err(error) => {
                let keys = keys_before(&node.result().1.keys, &step.delta);
                if let Some(good) = &mut state.good {
                    (good.turn, good.keys) = (None, keys);
                }
                return self.fail(state, Arc::new(error));
            }
        };
        let Some(good) = &mut state.good else { return Vec::new() };
        let (removed, changed) = (&step.delta.removed, &step.delta.changed);
        let mut gone: Vec<usize> =
            removed.iter().map(|gone| gone.index).chain(changed.iter().map(|moved| moved.from)).collect();
        gone.sort_unstable();
        let mut rows = std::mem::take(&mut good.rows);
        let mut old = exchange(Arc::make_mut(&mut rows.0), &gone, come).into_iter().map(Some).collect::<Vec<_>>();
        let mut was = |place: usize| {
            let old = gone.binary_search(&place).ok().and_then(|at| old.get_mut(at)).and_then(Option::take);
            old.unwrap_or_else(|| unreachable!("every place that goes is in the list, once"))
        };
        let delta = Delta {
            added: step.delta.added.iter().map(|c| Added { row: rows[c.index].clone(), index: c.index }).collect(),
            removed: removed.iter().map(|gone| Removed { row: was(gone.index), index: gone.index }).collect(),
            changed: changed
                .iter()
                .map(|m| Changed { old: was(m.from), new: rows[m.to].clone(), from: m.from, to: m.to })
                .collect(),
        };
        good.rows = rows;
        good.turn = Some(step.to);
        self.show(state, delta, false)
    }

    /// Tells who is to be told.
    fn show(&self, state: &mut State<R>, delta: Delta<R>, first: bool) -> Vec<Waker> {
        let recovered = state.failed.take().is_some();
        // Rows may differ only before they are read.
        let differs = |moved: &Changed<R>| moved.from != moved.to || moved.old != moved.new;
        let visible =
            first || !delta.added.is_empty() || !delta.removed.is_empty() || delta.changed.iter().any(differs);
        if !visible && !recovered {
            return Vec::new();
        }
        state.turn += 1;
        let wanted = visible && state.subscribers.iter().any(|subscriber| subscriber.wants == Wants::Delta);
        let delta = wanted.then(|| Arc::new(delta));
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
    fn step(&self, node: &Node, step: &Step) {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        let wakers = if state.good.as_ref().is_some_and(|good| good.turn == Some(step.from)) {
            self.follow(state, node, step)
        } else {
            let (turn, raw) = node.result();
            self.anew(state, turn, &raw)
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

/// The rows that come, at their places, ascending.
fn coming<R>(decode: &dyn Decode<R>, delta: &Delta<SharedRow>) -> Result<Vec<(usize, R)>> {
    let added = delta.added.iter().map(|come| (come.index, &come.row));
    let changed = delta.changed.iter().map(|moved| (moved.to, &moved.new));
    let mut come = Vec::with_capacity(delta.added.len() + delta.changed.len());
    for (at, row) in added.chain(changed) {
        come.push((at, decode.decode(row.to_vec())?));
    }
    come.sort_by_key(|(at, _)| *at);
    Ok(come)
}

/// The keys of the rows before a step, from those after it. Rows that are gone have keys like no other's.
fn keys_before(keys: &[Box<str>], delta: &Delta<SharedRow>) -> Vec<Box<str>> {
    let went = delta.removed.iter().map(|gone| (gone.index, gone_key(gone.index)));
    let moved = delta.changed.iter().filter_map(|moved| Some((moved.from, keys.get(moved.to)?.clone())));
    let came = delta.added.iter().map(|come| come.index).chain(delta.changed.iter().map(|moved| moved.to));
    splice(keys.to_vec(), came.collect(), went.chain(moved).collect()).unwrap_or_default()
}

/// A key like no row's.
fn gone_key(place: usize) -> Box<str> {
    format!("\u{1d}{place}").into_boxed_str()
}

/// Takes out what goes and puts in what comes, both ascending; returns what went. Few rows move the others only as far as
/// they have to.
fn exchange<R>(rows: &mut Vec<R>, gone: &[usize], come: Vec<(usize, R)>) -> Vec<R> {
    if gone.len() + come.len() <= 16 {
        let mut old: Vec<R> = gone.iter().rev().map(|at| rows.remove(*at)).collect();
        old.reverse();
        come.into_iter().for_each(|(at, row)| rows.insert(at, row));
        return old;
    }
    let mut old = Vec::with_capacity(gone.len());
    let mut stayed = Vec::with_capacity(rows.len() + come.len());
    let mut leaving = gone.iter().peekable();
    let mut arriving = come.into_iter().peekable();
    for (at, row) in std::mem::take(rows).into_iter().enumerate() {
        if leaving.next_if(|gone| **gone == at).is_some() {
            old.push(row);
            continue;
        }
        while let Some((_, arrival)) = arriving.next_if(|(to, _)| *to == stayed.len()) {
            stayed.push(arrival);
        }
        stayed.push(row);
    }
    stayed.extend(arriving.map(|(_, row)| row));
    *rows = stayed;
    old
}
