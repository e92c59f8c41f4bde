//! Postgres through tokio-postgres: a connection as a [`SqlExecutor`], and a pool of them.
//!
//! Parameters are written `?` (or `?1`) as everywhere; `??` is a question mark of the statement's own, such as the operator
//! of `jsonb`. Statements are prepared once for each connection and cached by their text. A value is sent as the type that
//! the server infers for its parameter, and read back by the [`Kind`]s the caller names. Errors are typed in one place
//! ([`mod@error`]).
//!
//! A connection knows whether its transaction is open, and whether it failed. One that is dropped in the middle of either, or
//! of a statement, does not go back to its pool but is closed, and the server rolls back.

mod bind;
pub mod error;
mod options;
mod pipeline;
mod pool;
mod read;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod tls;

use std::fmt;

pub use deadpool_postgres;
use deadpool_postgres::ClientWrapper;
pub use options::{PostgresOptions, SslMode};
pub use pool::{Driver, PostgresPool};
pub use tokio_postgres;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use self::bind::Param;
use self::error::{from_postgres, is_connection, is_stale};
use self::text::Control;
use super::{SqlExecutor, SqlStep};
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::query::lower::Dialect;
use crate::value::{Kind, Row, Value};

/// How many prepared statements a connection keeps. A program has a few hundred texts; one that makes up texts as it goes
/// must not fill the server's memory.
const MAX_STATEMENTS: usize = 1_000;

/// A connection to a Postgres database.
///
/// ```no_run
/// # async fn f() -> plasma_runtime::Result<()> {
/// use plasma_runtime::store::SqlExecutor;
/// use plasma_runtime::store::postgres::{PostgresOptions, PostgresPool};
/// use plasma_runtime::value::{Kind, Value};
/// let pool = PostgresPool::new(PostgresOptions::new("postgres://app@localhost/app"))?;
/// let mut db = pool.get().await?;
/// let rows = db.query("SELECT id FROM todos WHERE done = ?", &[Value::Bool(false)], &[Kind::Id]).await?;
/// # let _ = rows; Ok(()) }
/// ```
pub struct PostgresConnection {
    /// None once the connection is given up.
    client: Option<Source>,
    transaction: Transaction,
    /// A statement is on its way. Found at the next one, or at the end, it was abandoned.
    busy: bool,
}

/// Where the client is from.
enum Source {
    Pool(deadpool_postgres::Object),
    Own(ClientWrapper),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    None,
    Open {
        read_only: bool,
    },
    /// A statement failed: nothing but its end, or that of a savepoint, is possible.
    Failed {
        read_only: bool,
    },
}

impl fmt::Debug for PostgresConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConnection").field("transaction", &self.transaction).finish_non_exhaustive()
    }
}

impl From<deadpool_postgres::Object> for PostgresConnection {
    fn from(object: deadpool_postgres::Object) -> Self {
        PostgresConnection::of(Source::Pool(object))
    }
}

impl From<ClientWrapper> for PostgresConnection {
    /// A client with the task of its connection: no pool is concerned.
    fn from(client: ClientWrapper) -> Self {
        PostgresConnection::of(Source::Own(client))
    }
}

impl Drop for PostgresConnection {
    fn drop(&mut self) {
        if (self.busy || self.transaction != Transaction::None)
            && let Some(Source::Pool(object)) = self.client.take()
        {
            // Out of the pool: the server rolls back when the connection is closed.
            drop(deadpool_postgres::Object::take(object));
        }
    }
}

impl PostgresConnection {
    fn of(client: Source) -> Self {
        let connection = PostgresConnection { client: Some(client), transaction: Transaction::None, busy: false };
        if let Ok(client) = connection.wrapper()
            && client.statement_cache.size() >= MAX_STATEMENTS
        {
            client.statement_cache.clear();
        }
        connection
    }

    /// Whether a statement failed in the open transaction: only its end, or a return to a savepoint, is possible.
    pub fn transaction_failed(&self) -> bool {
        matches!(self.transaction, Transaction::Failed { .. })
    }

    /// The client itself, for tools. What is done with it this connection does not know.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when the connection is lost.
    pub fn client(&self) -> Result<&Client> {
        self.wrapper().map(|client| &**client)
    }

    fn wrapper(&self) -> Result<&ClientWrapper> {
        match &self.client {
            Some(Source::Pool(object)) => Ok(object),
            Some(Source::Own(client)) => Ok(client),
            None => Err(lost()),
        }
    }

    /// Marks the beginning of an exchange with the server.
    fn begin(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.busy, true) {
            // Whether it ran, nobody knows.
            self.give_up();
            return Err(lost());
        }
        Ok(())
    }

    /// Marks its end.
    fn end<T>(&mut self, result: Result<T>) -> Result<T> {
        self.busy = false;
        if let Err(error) = &result {
            if is_connection(error) {
                self.give_up();
            } else if let Transaction::Open { read_only } = self.transaction
                && error::sql_state(error).is_some()
            {
                self.transaction = Transaction::Failed { read_only };
            }
            if is_stale(error)
                && let Ok(client) = self.wrapper()
            {
                client.statement_cache.clear();
            }
        }
        result
    }

    /// The connection is of no use any more, and with it its transaction.
    fn give_up(&mut self) {
        self.transaction = Transaction::None;
        self.busy = false;
        if let Some(Source::Pool(object)) = self.client.take() {
            drop(deadpool_postgres::Object::take(object));
        }
    }

    /// The statement of this text, prepared once.
    async fn statement(&self, sql: &str) -> Result<Statement> {
        let text = text::numbered(sql);
        if text.contains('\0') {
            return Err(Error::internal("a statement holds U+0000"));
        }
        let client = self.wrapper()?;
        let prepared = client.prepare_cached(&text).await;
        if prepared.is_err() {
            // An empty place would stay.
            client.statement_cache.remove(&text, &[]);
        }
        prepared.map_err(from_postgres)
    }

    async fn prepare(&self, sql: &str, params: usize) -> Result<Statement> {
        let statement = self.statement(sql).await?;
        if statement.params().len() != params {
            return Err(Error::internal(format!(
                "the statement has {} parameters, {params} values were given: {sql}",
                statement.params().len()
            )));
        }
        Ok(statement)
    }

    /// Whether to try again with the statement prepared anew, because nothing has happened: a value did not fit its
    /// parameter, perhaps as the column has become another one since, and was not sent; or, outside a transaction, the
    /// server found the statement to be of another time.
    fn forgets(&self, sql: &str, error: &Error) -> bool {
        let again = error.kind() == ErrorKind::Validation || (is_stale(error) && self.transaction == Transaction::None);
        if let Some(client) = self.wrapper().ok().filter(|_| again) {
            client.statement_cache.remove(&text::numbered(sql), &[]);
        }
        again
    }

    async fn run_query(&self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>> {
        let found = self.try_query(sql, params, kinds).await;
        match found {
            Err(error) if self.forgets(sql, &error) => self.try_query(sql, params, kinds).await,
            found => found,
        }
    }

    async fn try_query(&self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>> {
        let statement = self.prepare(sql, params.len()).await?;
        check_columns(&statement, kinds, sql)?;
        let params: Vec<Param<'_>> = params.iter().map(Param).collect();
        let rows = self.wrapper()?.query(&statement, &erased(&params)).await.map_err(from_postgres)?;
        rows.iter().map(|row| read::row(row, kinds)).collect()
    }

    async fn run_execute(&self, sql: &str, params: &[Value]) -> Result<u64> {
        let changed = self.try_execute(sql, params).await;
        match changed {
            Err(error) if self.forgets(sql, &error) => self.try_execute(sql, params).await,
            changed => changed,
        }
    }

    async fn try_execute(&self, sql: &str, params: &[Value]) -> Result<u64> {
        let statement = self.prepare(sql, params.len()).await?;
        let params: Vec<Param<'_>> = params.iter().map(Param).collect();
        self.wrapper()?.execute(&statement, &erased(&params)).await.map_err(from_postgres)
    }

    /// A statement that begins or ends something.
    async fn run_control(&mut self, sql: &str, control: Control) -> Result<()> {
        if control == Control::Commit && self.transaction_failed() {
            // The server would take it for a rollback, without a word.
            self.simple("ROLLBACK").await?;
            self.transaction = Transaction::None;
            return Err(Error::new(
                ErrorKind::Storage,
                "the transaction had failed: it cannot be committed and was rolled back",
            ));
        }
        if matches!(control, Control::RollbackTo | Control::Rollback) {
            // Whether an abandoned statement ran does not matter any more: the server takes this one after it.
            self.busy = false;
        }
        let done = self.simple(sql).await;
        let read_only =
            matches!(self.transaction, Transaction::Open { read_only: true } | Transaction::Failed { read_only: true });
        self.transaction = match (control, &done) {
            (Control::Begin { read_only }, Ok(())) if self.transaction == Transaction::None => {
                Transaction::Open { read_only }
            }
            // Also one that failed: what was deferred failed with it.
            (Control::Commit | Control::Rollback, _) => Transaction::None,
            (Control::RollbackTo, Ok(())) => Transaction::Open { read_only },
            _ => self.transaction,
        };
        done
    }

    async fn simple(&mut self, sql: &str) -> Result<()> {
        self.begin()?;
        let done = match self.client() {
            Ok(client) => client.batch_execute(sql).await.map_err(from_postgres),
            Err(error) => Err(error),
        };
        self.end(done)
    }

    /// Refuses what is not one statement that asks for rows. That it only reads shows when it runs: see
    /// [`read`](SqlExecutor::read).
    async fn check_asks(&mut self, sql: &str) -> Result<()> {
        check_word(sql)?;
        self.begin()?;
        let prepared = self.statement(sql).await;
        let statement = self.end(prepared)?;
        if statement.columns().is_empty() { Err(no_query(sql)) } else { Ok(()) }
    }

    /// Runs a query where nothing can be written, whatever it calls.
    async fn read_only(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>> {
        check_word(sql)?;
        let (before, after) = match self.transaction {
            Transaction::Open { read_only: true } | Transaction::Failed { .. } => ("", ""),
            Transaction::None => ("BEGIN READ ONLY", "ROLLBACK"),
            // Back at the savepoint writing is possible again.
            Transaction::Open { read_only: false } => (
                "SAVEPOINT _plasma_reads; SET TRANSACTION READ ONLY",
                "ROLLBACK TO SAVEPOINT _plasma_reads; RELEASE SAVEPOINT _plasma_reads",
            ),
        };
        if !before.is_empty() {
            self.batch(before).await?;
        }
        let rows = match self.check_asks(sql).await {
            Ok(()) => self.query(sql, params, kinds).await,
            Err(error) => Err(error),
        };
        // Where the connection is lost, so is what was begun.
        if !after.is_empty() && self.in_transaction() {
            self.batch(after).await?;
        }
        rows.map_err(|error| match error::sql_state(&error) {
            Some("25006") => Error::internal(format!("raw SQL only reads: {}", error.message())).with_source(error),
            _ => error,
        })
    }
}

fn check_word(sql: &str) -> Result<()> {
    let word = text::first_word(sql);
    let asks = ["select", "with", "values", "table"].iter().any(|known| word.eq_ignore_ascii_case(known));
    if asks { Ok(()) } else { Err(no_query(sql)) }
}

#[cold]
fn no_query(sql: &str) -> Error {
    Error::internal(format!("raw SQL only reads (`SELECT`, `WITH`, `VALUES`): {sql}"))
}

fn check_columns(statement: &Statement, kinds: &[Kind], sql: &str) -> Result<()> {
    let columns = statement.columns().len();
    if columns == kinds.len() {
        return Ok(());
    }
    Err(Error::internal(format!("the query has {columns} columns, {} kinds were given: {sql}", kinds.len())))
}

fn erased<'p>(params: &'p [Param<'p>]) -> Vec<&'p (dyn ToSql + Sync)> {
    params.iter().map(|param| param as &(dyn ToSql + Sync)).collect()
}

#[cold]
fn lost() -> Error {
    Error::new(ErrorKind::Storage, "the connection to the database is lost").with_source(error::Lost)
}

impl SqlExecutor for PostgresConnection {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn execute<'a>(&'a mut self, sql: &'a str, params: &'a [Value]) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            if let Some(control) = text::control(sql) {
                return self.run_control(sql, control).await.map(|()| 0);
            }
            self.begin()?;
            let changed = self.run_execute(sql, params).await;
            self.end(changed)
        })
    }

    fn query<'a>(
        &'a mut self,
        sql: &'a str,
        params: &'a [Value],
        kinds: &'a [Kind],
    ) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            self.begin()?;
            let rows = self.run_query(sql, params, kinds).await;
            self.end(rows)
        })
    }

    fn batch<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            for statement in text::statements(sql) {
                match text::control(statement) {
                    Some(control) => self.run_control(statement, control).await?,
                    None => self.simple(statement).await?,
                }
            }
            Ok(())
        })
    }

    fn run_all<'a>(&'a mut self, steps: &'a [SqlStep<'a>]) -> BoxFuture<'a, Result<Vec<Vec<Row>>>> {
        Box::pin(self.send_all(steps))
    }

    fn check_reads<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.check_asks(sql))
    }

    fn read<'a>(&'a mut self, sql: &'a str, params: &'a [Value], kinds: &'a [Kind]) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(self.read_only(sql, params, kinds))
    }

    fn in_transaction(&self) -> bool {
        self.transaction != Transaction::None
    }
}
