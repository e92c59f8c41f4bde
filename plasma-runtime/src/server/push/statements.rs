//! A mutation's statements on a database where a statement that fails takes the transaction with it.
//!
//! A mutator may go on after a statement that was refused; on SQLite only that statement is undone. Postgres undoes
//! nothing less than a savepoint, and a savepoint for every statement would cost two statements more each. So a mutation
//! first runs without them. Only when a statement follows one that failed, it is run again from its beginning, with a
//! savepoint around each: equal ids, equal time, equal rows, so it comes to the same place and goes on.

use super::ahead::Ahead;
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::query::lower::Dialect;
use crate::store::SqlExecutor;
use crate::value::{Kind, Row, Value};

/// A connection that may be told what to do before the answers are there ([`Ahead`]).
pub(in crate::server) trait Deferring: SqlExecutor {
    /// A write of which only matters that it does not fail. It may have to be known later that it did: then the run does
    /// not count, whatever came of it.
    fn write<'a>(&'a mut self, sql: &'a str, params: &'a [Value]) -> BoxFuture<'a, Result<()>>;

    /// Whether this query, which mostly has no rows, has one. False may have to be known better later, in the same way.
    fn finds<'a>(&'a mut self, sql: &'a str, params: &'a [Value]) -> BoxFuture<'a, Result<bool>>;
}

/// The connection of one run of a mutation.
pub(super) struct Statements<'s, 'd> {
    db: &'s mut Ahead<'d>,
    mode: Mode,
    wrote: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A statement that fails is undone alone.
    Alone,
    /// Nothing failed yet.
    Bare,
    /// A statement failed: none may follow.
    Failed,
    /// One did.
    GoesOn,
    /// Each has a savepoint.
    Careful,
}

impl<'s, 'd> Statements<'s, 'd> {
    /// `careful`: each statement gets a savepoint where it needs one.
    pub(super) fn new(db: &'s mut Ahead<'d>, careful: bool) -> Self {
        let mode = match db.dialect() {
            Dialect::Sqlite => Mode::Alone,
            Dialect::Postgres if careful => Mode::Careful,
            Dialect::Postgres => Mode::Bare,
        };
        Statements { db, mode, wrote: false }
    }

    /// Whether nothing has to be undone: nothing was written, and the transaction can go on.
    pub(super) fn is_clean(&self) -> bool {
        !self.wrote && matches!(self.mode, Mode::Alone | Mode::Bare | Mode::Careful)
    }

    /// Whether the run has to begin again with savepoints: it went on after a failure, by a statement or by ending well.
    pub(super) fn needs_care(&self, outcome: &Result<()>) -> bool {
        self.mode == Mode::GoesOn || (self.mode == Mode::Failed && outcome.is_ok())
    }

    /// What comes before a statement.
    async fn before(&mut self) -> Result<()> {
        match self.mode {
            Mode::Alone | Mode::Bare => Ok(()),
            Mode::Failed | Mode::GoesOn => {
                self.mode = Mode::GoesOn;
                Err(Error::new(ErrorKind::Fault, "a statement follows one that failed: the run begins again"))
            }
            Mode::Careful => self.db.batch("SAVEPOINT plasma_statement").await,
        }
    }

    /// What comes after it.
    async fn after<T>(&mut self, result: Result<T>) -> Result<T> {
        match (self.mode, &result) {
            (Mode::Bare, Err(_)) => self.mode = Mode::Failed,
            (Mode::Careful, Ok(_)) => self.db.batch("RELEASE plasma_statement").await?,
            (Mode::Careful, Err(_)) if self.db.in_transaction() => {
                self.db.batch("ROLLBACK TO plasma_statement; RELEASE plasma_statement").await?;
            }
            _ => {}
        }
        result
    }
}

impl Deferring for Statements<'_, '_> {
    fn write<'a>(&'a mut self, sql: &'a str, params: &'a [Value]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if self.mode == Mode::Bare && !self.db.is_eager() {
                let sent = self.db.write(sql, params).await;
                return self.after(sent).await;
            }
            self.execute(sql, params).await.map(drop)
        })
    }

    fn finds<'a>(&'a mut self, sql: &'a str, params: &'a [Value]) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            if self.mode == Mode::Bare && !self.db.is_eager() {
                let sent = self.db.refuse(sql, params).await;
                return self.after(sent.map(|()| false)).await;
            }
            Ok(!self.query(sql, params, &[Kind::Int]).await?.is_empty())
        })
    }
}

impl SqlExecutor for Statements<'_, '_> {
    fn dialect(&self) -> Dialect {
        self.db.dialect()
    }

    fn execute<'a>(&'a mut self, sql: &'a str, params: &'a [Value]) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            self.before().await?;
            let changed = self.db.execute(sql, params).await;
            self.wrote |= changed.is_ok();
            self.after(changed).await
        })
    }

    fn query<'a>(
        &'a mut self,
        sql: &'a str,
        params: &'a [Value],
        kinds: &'a [Kind],
    ) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            self.before().await?;
            let rows = self.db.query(sql, params, kinds).await;
            // What returns rows may write them, too.
            self.wrote |= rows.is_ok() && !sql.starts_with("SELECT ");
            self.after(rows).await
        })
    }

    fn batch<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.before().await?;
            let done = self.db.batch(sql).await;
            self.wrote |= done.is_ok();
            self.after(done).await
        })
    }

    fn check_reads<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.before().await?;
            let checked = self.db.check_reads(sql).await;
            self.after(checked).await
        })
    }

    fn read<'a>(&'a mut self, sql: &'a str, params: &'a [Value], kinds: &'a [Kind]) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            self.before().await?;
            let rows = self.db.read(sql, params, kinds).await;
            self.after(rows).await
        })
    }

    fn in_transaction(&self) -> bool {
        self.db.in_transaction()
    }
}
