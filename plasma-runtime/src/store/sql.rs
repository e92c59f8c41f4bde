//! The two SQL seams: a synchronous connection (the client, SQLite) and an asynchronous executor (the server).

use std::sync::Arc;

use super::cells::Cells;
use crate::error::{Error, ErrorKind, Result};
use crate::future::{BoxFuture, MaybeSend, ready};
use crate::query::lower::Dialect;
use crate::value::{Kind, Row, Value};

/// A synchronous SQL connection. The client engine runs on one; a blocking driver's connection is a
/// [`SqlExecutor`] too.
///
/// Errors: a violated constraint is [`Conflict`](crate::ErrorKind::Conflict) (its `data` names the constraint's
/// columns); a calculation that leaves its range is [`Overflow`](crate::ErrorKind::Overflow); everything else is
/// [`Storage`](crate::ErrorKind::Storage).
pub trait SqlConnection: MaybeSend {
    /// Whose SQL it speaks.
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    /// Runs one statement (cached by its text); returns the number of changed rows.
    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64>;

    /// Runs one query (cached by its text). `kinds` says how to read each result column.
    fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>>;

    /// Runs several statements separated by `;`.
    fn batch(&mut self, sql: &str) -> Result<()>;

    /// Refuses a text that is not one statement that only reads.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorKind::Internal) when it is not, or this connection cannot tell.
    fn check_reads(&mut self, sql: &str) -> Result<()> {
        let _ = sql;
        Err(Error::internal("this database cannot tell whether raw SQL only reads"))
    }

    /// Teaches this connection's SQL the functions `plasma_seal` and `plasma_open` of [`Cells`], and lets it put nothing
    /// aside in files. Outside of a transaction.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) when this store cannot do that; [`Storage`](crate::ErrorKind::Storage).
    fn use_cells(&mut self, cells: Arc<dyn Cells>) -> Result<()> {
        let _ = cells;
        Err(Error::new(ErrorKind::Config, "this store cannot encrypt its columns"))
    }

    /// The cells of [`use_cells`](SqlConnection::use_cells).
    fn cells(&self) -> Option<&Arc<dyn Cells>> {
        None
    }

    /// Whether a transaction is open. After a failed statement it may be over: FULL, IOERR, NOMEM and CORRUPT roll
    /// the whole transaction back.
    fn in_transaction(&self) -> bool;

    /// Calls `each` for every row without collecting them; stops when it returns false.
    fn for_each(
        &mut self,
        sql: &str,
        params: &[Value],
        kinds: &[Kind],
        each: &mut dyn FnMut(Row) -> Result<bool>,
    ) -> Result<()>;
}

/// One of several statements that are sent together ([`SqlExecutor::run_all`]).
#[derive(Debug, Clone, Copy)]
pub enum SqlStep<'s> {
    /// Statements without parameters, as of [`SqlExecutor::batch`]; those that begin or end a transaction, too.
    Batch(&'s str),
    /// A statement that changes rows.
    Execute(&'s str, &'s [Value]),
    /// A query, with how to read its columns.
    Query(&'s str, &'s [Value], &'s [Kind]),
}

/// An asynchronous SQL connection: what the server engine runs on. Same contract as [`SqlConnection`].
///
/// A statement's parameters are written `?` (or `?1`, `?2`, ..) on every database.
pub trait SqlExecutor: MaybeSend {
    /// Whose SQL it speaks.
    fn dialect(&self) -> Dialect;

    /// Runs one statement; returns the number of changed rows.
    fn execute<'a>(&'a mut self, sql: &'a str, params: &'a [Value]) -> BoxFuture<'a, Result<u64>>;

    /// Runs one query. `kinds` says how to read each result column.
    fn query<'a>(&'a mut self, sql: &'a str, params: &'a [Value], kinds: &'a [Kind])
    -> BoxFuture<'a, Result<Vec<Row>>>;

    /// Runs several statements separated by `;`.
    fn batch<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Runs statements one after the other, none after one that failed, and returns the rows of each (none where it asks
    /// for none). A database that is elsewhere is sent all of them at once: one journey. They have to be of one
    /// transaction: the first may begin it, the last may end it.
    ///
    /// # Errors
    /// That of the first that failed.
    fn run_all<'a>(&'a mut self, steps: &'a [SqlStep<'a>]) -> BoxFuture<'a, Result<Vec<Vec<Row>>>> {
        Box::pin(async move {
            let mut all = Vec::with_capacity(steps.len());
            for step in steps {
                all.push(match *step {
                    SqlStep::Batch(sql) => self.batch(sql).await.map(|()| Vec::new())?,
                    SqlStep::Execute(sql, params) => self.execute(sql, params).await.map(|_| Vec::new())?,
                    SqlStep::Query(sql, params, kinds) => self.query(sql, params, kinds).await?,
                });
            }
            Ok(all)
        })
    }

    /// Refuses a text that is not one statement that only reads.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorKind::Internal) when it is not, or this connection cannot tell.
    fn check_reads<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        let _ = sql;
        ready(Err(Error::internal("this database cannot tell whether raw SQL only reads")))
    }

    /// Runs a text that is not this library's, and refuses it unless it only reads.
    ///
    /// # Errors
    /// As [`check_reads`](SqlExecutor::check_reads) and [`query`](SqlExecutor::query).
    fn read<'a>(&'a mut self, sql: &'a str, params: &'a [Value], kinds: &'a [Kind]) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            self.check_reads(sql).await?;
            self.query(sql, params, kinds).await
        })
    }

    /// Whether a transaction is open.
    fn in_transaction(&self) -> bool;
}

/// A synchronous connection as a [`SqlExecutor`]: its futures are ready at the first poll.
impl<C: SqlConnection + ?Sized> SqlExecutor for C {
    fn dialect(&self) -> Dialect {
        SqlConnection::dialect(self)
    }

    fn execute<'a>(&'a mut self, sql: &'a str, params: &'a [Value]) -> BoxFuture<'a, Result<u64>> {
        ready(SqlConnection::execute(self, sql, params))
    }

    fn query<'a>(
        &'a mut self,
        sql: &'a str,
        params: &'a [Value],
        kinds: &'a [Kind],
    ) -> BoxFuture<'a, Result<Vec<Row>>> {
        ready(SqlConnection::query(self, sql, params, kinds))
    }

    fn batch<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        ready(SqlConnection::batch(self, sql))
    }

    fn check_reads<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        ready(SqlConnection::check_reads(self, sql))
    }

    fn in_transaction(&self) -> bool {
        SqlConnection::in_transaction(self)
    }
}
