//! What the application holds of a live query on the server.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::hub::{Hub, Node, open};
use crate::error::Result;
use crate::live::{ByQuery, Decode, Delta, Output, RawRows, Rows};
use crate::query::ir;
use crate::query::typed::Query;
use crate::server::http::Inner;

/// A query of the server whose result is kept up to date: see [`Scoped::live_select`](crate::server::Scoped::live_select).
///
/// It holds the result it has shown last; [`next`](Self::next) leads from there to the newest. So a reader that falls
/// behind loses the steps in between and no row, and nothing queues up for it. Dropping it ends it.
pub struct LiveSelect<R: Output> {
    held: Held,
    decode: Arc<dyn Decode<R>>,
    raw: Arc<RawRows>,
    rows: Rows<R>,
    turn: u64,
    /// The last that was heard is an error.
    failed: bool,
}

/// What is new in a live query.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveStep<R> {
    /// The rows now.
    pub rows: Rows<R>,
    /// What leads to them from the rows of the step before. Empty when the query has recovered from an error with the
    /// rows it had.
    pub delta: Delta<R>,
}

/// Keeps a query in the hub, and tells it when it goes.
struct Held {
    node: Option<Arc<Node>>,
    hub: Arc<Hub>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.node = None;
        self.hub.left();
    }
}

impl<R: Output> LiveSelect<R> {
    pub(in crate::server) async fn open<Q: Query<Row = R>>(
        inner: &Arc<Inner>,
        ir: ir::Query,
        query: Q,
    ) -> Result<Self> {
        let (node, raw, turn) = open(inner, ir).await.map_err(|error| error.duplicate())?;
        let held = Held { node: Some(node), hub: Arc::clone(&inner.live) };
        let rows = raw.values.iter().map(|row| query.decode(row.to_vec())).collect::<Result<Vec<R>>>()?;
        let rows = Rows(Arc::new(rows));
        Ok(LiveSelect { held, decode: Arc::new(ByQuery(query)), raw, rows, turn, failed: false })
    }

    /// The rows as they were shown last: those of the first run, then those of the last step.
    pub fn rows(&self) -> &Rows<R> {
        &self.rows
    }

    /// Waits until there is something new. None when the server is closed.
    ///
    /// A step is what one or several whole transactions made of the result, never a part of one. An error says that the
    /// query cannot be run now, or a row not be read; it is told once, the rows stay, and the query is tried again at
    /// the next change and every second. Cancelling the wait loses nothing.
    pub async fn next(&mut self) -> Option<Result<LiveStep<R>>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// How often the query was run.
    #[cfg(test)]
    pub(super) fn runs(&self) -> usize {
        self.held.node.as_ref().map_or(0, |node| node.runs.load(std::sync::atomic::Ordering::Relaxed))
    }

    /// Takes a result. None when it shows nothing new.
    fn take(&mut self, raw: Arc<RawRows>) -> Option<Result<LiveStep<R>>> {
        let edit = raw.edit_from(&self.raw);
        if edit.is_empty() && !self.failed {
            return None;
        }
        // Everything is read before anything is changed: a row that cannot be read leaves what there is.
        let places = edit.added.iter().copied().chain(edit.changed.iter().map(|(_, to)| *to));
        let read = places.map(|at| Ok((at, self.decode.decode(raw.values[at].to_vec())?)));
        let new: std::collections::BTreeMap<usize, R> = match read.collect::<Result<_>>() {
            Ok(new) => new,
            Err(error) => {
                self.failed = true;
                return Some(Err(error));
            }
        };
        let delta = Delta::of(&edit, &self.rows, |at| new[&at].clone());
        let mut rows = self.rows.to_vec();
        if let Err(error) = delta.apply(&mut rows) {
            return Some(Err(error));
        }
        (self.raw, self.rows, self.failed) = (raw, Rows(Arc::new(rows)), false);
        Some(Ok(LiveStep { rows: self.rows.clone(), delta }))
    }
}

/// The steps; ends when the server is closed. The same as [`next`](LiveSelect::next).
impl<R: Output> Stream for LiveSelect<R> {
    type Item = Result<LiveStep<R>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let news = {
                let Some(node) = &this.held.node else { return Poll::Ready(None) };
                let mut latest = node.latest();
                if latest.turn == this.turn {
                    if latest.closed {
                        return Poll::Ready(None);
                    }
                    latest.wait(cx.waker());
                    return Poll::Pending;
                }
                this.turn = latest.turn;
                latest.result.clone()
            };
            match news {
                Some(Ok(raw)) => {
                    if let Some(step) = this.take(raw) {
                        return Poll::Ready(Some(step));
                    }
                }
                Some(Err(error)) => {
                    this.failed = true;
                    return Poll::Ready(Some(Err(error.duplicate())));
                }
                None => {}
            }
        }
    }
}

impl<R: Output + fmt::Debug> fmt::Debug for LiveSelect<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSelect").field("rows", &self.rows).field("failed", &self.failed).finish_non_exhaustive()
    }
}
