//! Running a mutator: the one way of both engines.
//!
//! The mutator is handed a [`Recorded`] executor, which takes down what it is told and what it writes, and notices when
//! a statement is under way. A mutator that waits while no statement of its is under way waits for something else.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Access, ErasedCtx, Executor, MutatorDef, TxMeta};
use crate::error::{Error, ErrorKind, Result, panic_message};
use crate::future::BoxFuture;
use crate::query::ir::{Query, Write};
use crate::value::{Kind, Row, Value};

impl MutatorDef {
    /// Runs the mutator to its end. What it wrote and read is told by [`TxMeta::effects`] when a record was begun.
    ///
    /// # Errors
    /// The mutator's own; [`ForeignAwait`](ErrorKind::ForeignAwait) when it awaits something other than its
    /// transaction.
    pub(crate) fn start<'t>(
        &self,
        executor: &'t mut dyn Executor,
        meta: &'t TxMeta,
        ctx: &'t ErasedCtx,
        args: &'t str,
    ) -> BoxFuture<'t, Result<()>> {
        let (name, run) = (self.name, self.run);
        Box::pin(async move {
            let mut recorded = Recorded { executor, meta };
            Guarded { running: run(&mut recorded, meta, ctx, args), meta, name: Some(name) }.await
        })
    }
}

#[cfg(feature = "server")]
/// Statements on an executor, with the envelope they are of.
pub type StatementsFn = dyn for<'r> Fn(&'r mut dyn Executor, &'r TxMeta) -> BoxFuture<'r, Result<()>> + Send + Sync;

#[cfg(feature = "server")]
/// Runs statements that are no mutator's, under the same rules.
///
/// # Errors
/// Their own; [`ForeignAwait`](ErrorKind::ForeignAwait) when they await something other than their transaction.
pub(crate) fn start_statements<'t>(
    executor: &'t mut dyn Executor,
    meta: &'t TxMeta,
    run: &'t StatementsFn,
) -> BoxFuture<'t, Result<()>> {
    Box::pin(async move {
        let mut recorded = Recorded { executor, meta };
        Guarded { running: run(&mut recorded, meta), meta, name: None }.await
    })
}

/// An executor that takes down what passes it.
struct Recorded<'t> {
    executor: &'t mut dyn Executor,
    meta: &'t TxMeta,
}

impl Executor for Recorded<'_> {
    fn query<'a>(&'a mut self, query: &'a Query) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            let rows = InFlight { statement: self.executor.query(query), meta: self.meta }.await;
            self.meta.note(|record| record.rows(&rows));
            rows
        })
    }

    fn write(&mut self, write: Write, access: Access) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            self.note_write(&write, access);
            let one_row = !matches!(write, Write::UpdateWhere { .. } | Write::DeleteWhere { .. });
            let count = InFlight { statement: self.executor.write(write, access), meta: self.meta }.await;
            self.meta.note(|record| record.written(one_row, &count));
            count
        })
    }

    fn write_returning(&mut self, write: Write, access: Access) -> BoxFuture<'_, Result<Vec<Row>>> {
        Box::pin(async move {
            self.note_write(&write, access);
            let rows = InFlight { statement: self.executor.write_returning(write, access), meta: self.meta }.await;
            self.meta.note(|record| record.rows(&rows));
            rows
        })
    }

    fn sql<'a>(&'a mut self, sql: &'a str, params: &'a [Value], kinds: &'a [Kind]) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            let rows = InFlight { statement: self.executor.sql(sql, params, kinds), meta: self.meta }.await;
            self.meta.note(|record| record.rows(&rows));
            rows
        })
    }
}

impl Recorded<'_> {
    /// What the server writes on its own account, the client does not write at all: it is left out.
    fn note_write(&self, write: &Write, access: Access) {
        if access == Access::Checked {
            self.meta.note(|record| record.write(write));
        }
    }
}

/// A statement; the envelope knows while it waits for the store.
struct InFlight<'a, T> {
    statement: BoxFuture<'a, Result<T>>,
    meta: &'a TxMeta,
}

impl<T> Future for InFlight<'_, T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.statement.as_mut().poll(cx);
        self.meta.set_in_flight(polled.is_pending());
        polled
    }
}

impl<T> Drop for InFlight<'_, T> {
    /// A mutator may drop a statement half-way (a `select`): nothing is under way then.
    fn drop(&mut self) {
        self.meta.set_in_flight(false);
    }
}

/// A mutator that is ended when it waits for nothing of its transaction.
struct Guarded<'t> {
    running: BoxFuture<'t, Result<()>>,
    meta: &'t TxMeta,
    /// None when it is no mutator but a job.
    name: Option<&'static str>,
}

impl Future for Guarded<'_> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let running = &mut self.running;
        match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
            Ok(Poll::Pending) if !self.meta.in_flight() => Poll::Ready(Err(foreign(self.name))),
            Ok(polled) => polled,
            Err(panic) => Poll::Ready(asleep(self.name, panic)),
        }
    }
}

/// A timer or a socket of tokio panics where no runtime drives it, which is where a writer thread runs mutators: the
/// same mistake as awaiting it. Every other panic goes on.
fn asleep<T>(name: Option<&str>, panic: Box<dyn Any + Send>) -> Result<T> {
    match panic_message(&*panic) {
        Some(text) if text.contains("no reactor running") => Err(foreign(name).with_source(text.to_owned())),
        _ => resume_unwind(panic),
    }
}

fn foreign(name: Option<&str>) -> Error {
    let message = match name {
        Some(name) => format!(
            "the mutator `{name}` awaited something other than its transaction: it runs inside a database transaction, \
             on the client and again on the server, and may await only what `tx` returns; do timers, channels, locks \
             and requests before the mutation and pass their results as arguments"
        ),
        None => "a job awaited something other than its transaction: it runs inside one and may only await `tx`".into(),
    };
    Error::new(ErrorKind::ForeignAwait, message)
}
