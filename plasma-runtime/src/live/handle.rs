//! What the application holds: live queries, live rows, subscriptions, streams.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures_core::Stream;

use super::delta::Delta;
use super::node::Listener;
use super::rows::{LiveState, Output, Rows};
use super::source::{ByFn, ByQuery, Decode};
use super::typed::{Host, News, State, Subscriber, Typed, Wants};
use crate::client::runtime::dispatch::{Dispatcher, lock};
use crate::error::{Error, ErrorKind, Result};
use crate::future::{MaybeSend, MaybeSync};
use crate::query::ir;
use crate::query::typed::{Query, read};
use crate::schema::{Id, RowReader, SchemaDef, Table};
use crate::store::SqlConnection;

/// A query whose result is kept up to date.
///
/// It follows every transaction that touches its tables, those of sub-queries included: own mutations, pulls, replays,
/// other processes. It takes the rows that changed and is not run again, but for few forms that
/// [`classify`](super::ivm::classify) names. All live queries of a client show the same local version. A transaction that
/// leaves the result as it was is not heard of.
///
/// Functions given to `subscribe..` are called after the commit, outside of every lock, one at a time for the whole
/// client and in the order of the transactions: on the thread that called `mutate`, or on that of the sync loop. Such a
/// function may use the client; what it causes is heard of after it returns. It should be quick: the next one waits for
/// it. UI frameworks with their own thread take [`stream`](Self::stream).
///
/// Cheap to clone. The query is dropped with its last clone, subscription and stream; the client does not wait for it.
pub struct LiveQuery<R: Output> {
    typed: Arc<Typed<R>>,
    schema: SchemaDef,
}

impl<R: Output> Clone for LiveQuery<R> {
    fn clone(&self) -> Self {
        LiveQuery { typed: self.typed.clone(), schema: self.schema }
    }
}

impl<R: Output> LiveQuery<R> {
    /// A live query of a client.
    pub(crate) fn open<Q: Query<Row = R>>(
        host: Weak<dyn Host>,
        dispatcher: Arc<Dispatcher>,
        schema: SchemaDef,
        query: Q,
    ) -> Self {
        let ir = query.ir().cloned();
        Self::open_ir(host, dispatcher, schema, ir, Arc::new(ByQuery(query)))
    }

    fn open_ir(
        host: Weak<dyn Host>,
        dispatcher: Arc<Dispatcher>,
        schema: SchemaDef,
        ir: Result<ir::Query>,
        decode: Arc<dyn Decode<R>>,
    ) -> Self {
        let state = State::new(decode.clone());
        let live =
            LiveQuery { typed: Arc::new(Typed { host, dispatcher, state: std::sync::Mutex::new(state) }), schema };
        live.listen(ir, decode);
        live
    }

    /// Registers the query and runs it, now or in the next turn of the writer.
    fn listen(&self, ir: Result<ir::Query>, decode: Arc<dyn Decode<R>>) {
        let checked = ir.and_then(|ir| read::check_tables(&self.schema, &ir).map(|()| ir));
        let ir = match checked {
            Ok(ir) => ir,
            Err(error) => return self.typed.failed(&Arc::new(error)),
        };
        let listener: Arc<dyn Listener> = self.typed.clone();
        let Some(host) = self.typed.host.upgrade() else { return listener.closed() };
        let weak = Arc::downgrade(&self.typed);
        host.router().enlist(listener, move |router: &super::router::Router, store: &mut dyn SqlConnection| {
            let Some(typed) = weak.upgrade() else { return };
            let listener: Arc<dyn Listener> = typed.clone();
            if let Some(before) = typed.leave() {
                router.detach(&before, Some(&listener));
            }
            let (node, result) = router.attach(ir, &listener, store);
            typed.listen(node, decode, result);
        });
        host.kick();
    }

    /// What the query knows now.
    pub fn state(&self) -> LiveState<R> {
        lock(&self.typed.state).shown()
    }

    /// The rows: those of the last result that could be read; none before the first.
    pub fn rows(&self) -> Rows<R> {
        lock(&self.typed.state).rows()
    }

    /// Waits for a result.
    ///
    /// # Errors
    /// Why the query could not be run or a row not be read; [`Closed`](ErrorKind::Closed) when the client is gone
    /// before the first result.
    pub async fn when_ready(&self) -> Result<Rows<R>> {
        let known = |state: &State<R>| match state.shown() {
            LiveState::Ready(rows) => Some(Ok(rows)),
            LiveState::Failed(error) => Some(Err(error.duplicate())),
            LiveState::Loading if state.closed => Some(Err(closed())),
            LiveState::Loading => None,
        };
        if let Some(known) = known(&lock(&self.typed.state)) {
            return known;
        }
        let Some(host) = self.typed.host.upgrade() else { return Err(closed()) };
        host.turn().await;
        drop(host);
        poll_fn(|cx| {
            let mut state = lock(&self.typed.state);
            match known(&state) {
                Some(known) => Poll::Ready(known),
                None => {
                    state.wait(cx.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Calls `f` with the rows: those there are as soon as there are any, then after every change.
    #[must_use = "dropping the subscription ends it"]
    pub fn subscribe(&self, mut f: impl FnMut(&[R]) + MaybeSend + 'static) -> Subscription {
        self.follow(Wants::Rows, move |news: &News<R>| {
            if let LiveState::Ready(rows) = &news.state {
                f(rows);
            }
        })
    }

    /// Calls `f` with what changed. The first delta starts from nothing, so that applying all of them in order always
    /// gives the current rows.
    #[must_use = "dropping the subscription ends it"]
    pub fn subscribe_delta(&self, mut f: impl FnMut(&Delta<R>) + MaybeSend + 'static) -> Subscription {
        self.follow(Wants::Delta, move |news: &News<R>| {
            if let Some(delta) = &news.delta {
                f(delta);
            }
        })
    }

    /// Calls `f` with the state: the current one first, then after every change, failures included.
    #[must_use = "dropping the subscription ends it"]
    pub fn subscribe_state(&self, mut f: impl FnMut(&LiveState<R>) + MaybeSend + 'static) -> Subscription {
        self.follow(Wants::State, move |news: &News<R>| f(&news.state))
    }

    fn follow(&self, wants: Wants, call: impl FnMut(&News<R>) + MaybeSend + 'static) -> Subscription {
        let subscriber = self.typed.subscribe(wants, call);
        if let Some(host) = self.typed.host.upgrade() {
            host.kick();
        }
        Subscription { _entry: Box::new(Entry { typed: self.typed.clone(), subscriber }) }
    }

    /// Asks something else from now on: the rows stay until the new result is there, and subscribers hear of the
    /// difference between the two.
    pub fn replace<Q: Query<Row = R>>(&self, query: Q) {
        let ir = query.ir().cloned();
        self.listen(ir, Arc::new(ByQuery(query)));
    }

    /// The states as a stream: the current one if it is not `Loading`, then each change; a slow reader gets the newest
    /// only. Ends when the client is closed.
    pub fn stream(&self) -> LiveStream<R> {
        LiveStream { typed: self.typed.clone(), seen: 0 }
    }
}

impl<T: Table + Output> LiveQuery<T> {
    /// One row of a client, by its id.
    pub(crate) fn open_row(
        host: Weak<dyn Host>,
        dispatcher: Arc<Dispatcher>,
        schema: SchemaDef,
        id: Id<T>,
    ) -> LiveRow<T> {
        let ir = read::get(id).query().clone();
        let decode = ByFn(|row| (T::CODEC.decode)(&mut RowReader::new(row)));
        LiveRow { query: Self::open_ir(host, dispatcher, schema, Ok(ir), Arc::new(decode)) }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the client is closed")
}

impl<R: Output + std::fmt::Debug> std::fmt::Debug for LiveQuery<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LiveQuery").field(&self.state()).finish()
    }
}

/// A row that is kept up to date.
pub struct LiveRow<T: Output> {
    query: LiveQuery<T>,
}

impl<T: Output> Clone for LiveRow<T> {
    fn clone(&self) -> Self {
        LiveRow { query: self.query.clone() }
    }
}

impl<T: Output> LiveRow<T> {
    /// The row now; none when it does not exist, or was not read yet.
    pub fn row(&self) -> Option<T> {
        self.query.rows().first().cloned()
    }

    /// Waits until the row was read.
    ///
    /// # Errors
    /// Those of [`LiveQuery::when_ready`].
    pub async fn when_ready(&self) -> Result<Option<T>> {
        Ok(self.query.when_ready().await?.first().cloned())
    }

    /// Calls `f` with the row: as it is first, then after every change, with none when it is gone.
    #[must_use = "dropping the subscription ends it"]
    pub fn subscribe(&self, mut f: impl FnMut(Option<&T>) + MaybeSend + 'static) -> Subscription {
        self.query.subscribe(move |rows| f(rows.first()))
    }

    /// The query behind it.
    pub fn as_query(&self) -> &LiveQuery<T> {
        &self.query
    }
}

impl<T: Output + std::fmt::Debug> std::fmt::Debug for LiveRow<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LiveRow").field(&self.query.state()).finish()
    }
}

/// Calls of a function; ends when dropped. A call that is under way on another thread at that moment is finished.
#[must_use = "dropping the subscription ends it"]
pub struct Subscription {
    _entry: Box<dyn Held>,
}

/// Something that ends when dropped.
pub(crate) trait Held: MaybeSend + MaybeSync {}
impl<T: MaybeSend + MaybeSync> Held for T {}

impl Subscription {
    /// A subscription that ends `entry` when it is dropped.
    pub(crate) fn holding(entry: impl Held + 'static) -> Self {
        Subscription { _entry: Box::new(entry) }
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

struct Entry<R: Output> {
    typed: Arc<Typed<R>>,
    subscriber: Arc<Subscriber<R>>,
}

impl<R: Output> Drop for Entry<R> {
    fn drop(&mut self) {
        self.typed.unsubscribe(&self.subscriber);
    }
}

/// The states of a live query, as a stream: see [`LiveQuery::stream`].
pub struct LiveStream<R: Output> {
    typed: Arc<Typed<R>>,
    seen: u64,
}

impl<R: Output> Stream for LiveStream<R> {
    type Item = LiveState<R>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<LiveState<R>>> {
        let this = &mut *self;
        let mut state = lock(&this.typed.state);
        if state.turn != this.seen {
            this.seen = state.turn;
            return Poll::Ready(Some(state.shown()));
        }
        if state.closed || this.typed.host.strong_count() == 0 {
            return Poll::Ready(None);
        }
        state.wait(cx.waker());
        Poll::Pending
    }
}

impl<R: Output> LiveStream<R> {
    /// The next state; none when the client is closed. For programs without a stream library.
    pub async fn next(&mut self) -> Option<LiveState<R>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<R: Output> std::fmt::Debug for LiveStream<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveStream").field("seen", &self.seen).finish_non_exhaustive()
    }
}

/// Live queries hear of nothing while it is there: see [`Client::pause_live`](crate::client::Client::pause_live).
#[must_use = "dropping it ends the pause"]
pub struct LivePause {
    host: Weak<dyn Host>,
}

impl LivePause {
    pub(crate) fn new(host: Weak<dyn Host>) -> Self {
        if let Some(host) = host.upgrade() {
            host.router().pause();
        }
        LivePause { host }
    }
}

impl Drop for LivePause {
    fn drop(&mut self) {
        if let Some(host) = self.host.upgrade() {
            host.router().resume();
            host.kick();
        }
    }
}

impl std::fmt::Debug for LivePause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LivePause").finish_non_exhaustive()
    }
}
