//! SQLite through rusqlite: one connection as a [`SqlConnection`].
//!
//! Statements are prepared once and cached by their text. Values are bound by what they are (booleans as 0 and 1) and
//! read back by the [`Kind`]s the caller names. Errors are typed in one place ([`mod@error`]). Every connection knows the
//! functions that calculate as the evaluator does ([`numeric`](crate::query::numeric)).
//!
//! The `rusqlite` crate is re-exported as [`rusqlite`]: only one copy of SQLite can be linked into a program, so a
//! program that talks to SQLite itself should use this one.

mod bind;
mod cells;
pub mod error;
mod functions;
mod options;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub use options::{SqliteOptions, Synchronous};
pub use rusqlite;
use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, InterruptHandle, OpenFlags};

use self::bind::read_row;
use self::error::from_rusqlite;
use super::SqlConnection;
use super::cells::Cells;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Kind, Row, Value};

/// How many virtual-machine instructions run between two looks at the budget.
const BUDGET_STEP: i32 = 1_000;

/// A connection to one SQLite database.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use plasma_runtime::store::SqlConnection;
/// use plasma_runtime::store::sqlite::SqliteConnection;
/// use plasma_runtime::value::{Kind, Value};
/// let mut db = SqliteConnection::in_memory()?;
/// db.batch("CREATE TABLE t (id TEXT PRIMARY KEY, done INTEGER NOT NULL)")?;
/// db.execute("INSERT INTO t VALUES (?, ?)", &[Value::from("a"), Value::Bool(true)])?;
/// let rows = db.query("SELECT id, done FROM t", &[], &[Kind::Text, Kind::Bool])?;
/// assert_eq!(rows, [[Value::from("a"), Value::Bool(true)]]);
/// # }
/// # Ok::<(), plasma_runtime::Error>(())
/// ```
pub struct SqliteConnection {
    connection: Connection,
    /// Instructions left, when a budget is set.
    budget: Option<Arc<AtomicI64>>,
    cells: Option<Arc<dyn Cells>>,
}

impl fmt::Debug for SqliteConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteConnection")
            .field("path", &self.connection.path())
            .field("in_transaction", &!self.connection.is_autocommit())
            .finish_non_exhaustive()
    }
}

impl SqliteConnection {
    /// Opens (and by default creates) a database file.
    ///
    /// A writable file is put into WAL mode, so that readers never wait for the writer.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when the file cannot be opened, is not a database, or lies on a file system
    /// that cannot do WAL (a network share).
    pub fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self> {
        let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags |= match (options.read_only, options.create) {
            (true, _) => OpenFlags::SQLITE_OPEN_READ_ONLY,
            (false, true) => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            (false, false) => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let path = path.as_ref();
        let connection = Connection::open_with_flags(path, flags).map_err(|e| {
            let cause = from_rusqlite(e);
            Error::new(
                ErrorKind::Storage,
                format!("the database `{}` cannot be opened: {}", path.display(), cause.message()),
            )
            .with_source(cause)
        })?;
        Self::prepare(connection, &options, true)
    }

    /// A fresh database in memory. It is gone when the connection is dropped.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when there is no memory.
    pub fn in_memory() -> Result<Self> {
        Self::in_memory_with(SqliteOptions::default())
    }

    /// A fresh database in memory, with options (what concerns files is ignored).
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when there is no memory.
    pub fn in_memory_with(options: SqliteOptions) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        Self::prepare(Connection::open_in_memory_with_flags(flags).map_err(from_rusqlite)?, &options, false)
    }

    fn prepare(connection: Connection, options: &SqliteOptions, file: bool) -> Result<Self> {
        let configure = || -> rusqlite::Result<()> {
            connection.busy_timeout(Duration::from_millis(options.busy_timeout_ms))?;
            // Without these two SQLite takes a misspelt quoted name for a string.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
            connection.pragma_update(None, "foreign_keys", options.foreign_keys)?;
            connection.pragma_update(None, "synchronous", options.synchronous.pragma())?;
            connection.pragma_update(None, "secure_delete", options.secure_delete)?;
            if let Some(kibibytes) = options.cache_kib {
                connection.pragma_update(None, "cache_size", -i64::from(kibibytes))?;
            }
            if let Some(pages) = options.checkpoint_pages {
                connection.pragma_update(None, "wal_autocheckpoint", pages)?;
            }
            connection.set_prepared_statement_cache_capacity(options.cached_statements);
            functions::register(&connection)
        };
        configure().map_err(from_rusqlite)?;
        if file && !options.read_only {
            let mode = write_ahead(&connection, options.busy_timeout_ms).map_err(from_rusqlite)?;
            // The browser's file systems have no shared memory: there the journal stays what it is.
            if cfg!(not(target_family = "wasm")) && !mode.eq_ignore_ascii_case("wal") {
                return Err(Error::new(
                    ErrorKind::Storage,
                    format!("the file system cannot hold a database in WAL mode (journal mode is `{mode}`)"),
                ));
            }
        }
        Ok(SqliteConnection { connection, budget: None, cells: None })
    }

    /// The connection itself, for tools.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The connection itself, for tools: backups, hooks, functions.
    pub fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// The connection itself, for good.
    pub fn into_connection(self) -> Connection {
        self.connection
    }

    /// A number that changes whenever another connection has changed the database.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when the database cannot be read.
    pub fn data_version(&mut self) -> Result<i64> {
        let read = || self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0));
        read().map_err(from_rusqlite)
    }

    /// Copies the whole database over `target`'s, in one step: what a restore and a fork of a store are.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when either side is in a transaction of its own, or fails.
    pub fn backup_to(&self, target: &mut SqliteConnection) -> Result<()> {
        use rusqlite::backup::{Backup, StepResult};
        let backup = Backup::new(&self.connection, &mut target.connection).map_err(from_rusqlite)?;
        match backup.step(-1).map_err(from_rusqlite)? {
            StepResult::Done => Ok(()),
            other => {
                Err(Error::new(ErrorKind::Storage, format!("the database could not be copied in one step: {other:?}")))
            }
        }
    }

    /// Ends the statement that is running on another thread: it fails with [`Storage`](ErrorKind::Storage), and
    /// [`error::is_interrupted`] tells.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.connection.get_interrupt_handle()
    }

    /// Gives the statements from now on so many virtual-machine instructions together (about 100 million a second);
    /// one that needs more is interrupted. None takes the limit away. The count does not depend on the clock, so
    /// that equal runs end equally.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when SQLite refuses the handler.
    pub fn set_instruction_budget(&mut self, instructions: Option<u64>) -> Result<()> {
        let Some(instructions) = instructions else {
            if self.budget.take().is_some() {
                self.connection.progress_handler(0, None::<fn() -> bool>).map_err(from_rusqlite)?;
            }
            return Ok(());
        };
        let instructions = i64::try_from(instructions).unwrap_or(i64::MAX);
        if let Some(left) = &self.budget {
            left.store(instructions, Ordering::Relaxed);
            return Ok(());
        }
        let left = Arc::new(AtomicI64::new(instructions));
        let handler = {
            let left = Arc::clone(&left);
            move || left.fetch_sub(i64::from(BUDGET_STEP), Ordering::Relaxed) <= i64::from(BUDGET_STEP)
        };
        self.connection.progress_handler(BUDGET_STEP, Some(handler)).map_err(from_rusqlite)?;
        self.budget = Some(left);
        Ok(())
    }

    /// The cached statement of this text with its parameters bound.
    fn statement(&self, sql: &str, params: &[Value]) -> Result<CachedStatement<'_>> {
        let mut statement = self.connection.prepare_cached(sql).map_err(from_rusqlite)?;
        if statement.parameter_count() != params.len() {
            return Err(Error::internal(format!(
                "the statement has {} parameters, {} values were given: {sql}",
                statement.parameter_count(),
                params.len()
            )));
        }
        for (index, value) in params.iter().enumerate() {
            if matches!(value, Value::Float(x) if !x.is_finite()) {
                // SQLite would store NULL for a NaN without a word.
                return Err(Error::validation("a float column holds finite numbers only"));
            }
            statement.raw_bind_parameter(index + 1, value).map_err(from_rusqlite)?;
        }
        Ok(statement)
    }
}

/// Switches the write-ahead log on; returns the mode that the file is in.
///
/// Where several connections switch a new file at once, SQLite says that it is locked without waiting: each holds what
/// another needs. So the wait is made here.
fn write_ahead(connection: &Connection, timeout_ms: u64) -> rusqlite::Result<String> {
    let mut waited = 0;
    loop {
        match switch_to_write_ahead(connection) {
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) && waited < timeout_ms =>
            {
                #[expect(clippy::disallowed_methods, reason = "as the busy handler of SQLite does")]
                #[cfg(not(target_family = "wasm"))]
                std::thread::sleep(Duration::from_millis(1));
                waited += 1;
            }
            mode => return mode,
        }
    }
}

/// One try. SQLite gives the row with the new mode *before* it commits the switch: only the end of the statement says
/// whether that went well. A file that silently stayed with a rollback journal would lose commits with the power: the
/// removal of that journal is not synced at `synchronous = FULL`.
fn switch_to_write_ahead(connection: &Connection) -> rusqlite::Result<String> {
    let mut statement = connection.prepare("PRAGMA journal_mode = WAL")?;
    let mut rows = statement.query([])?;
    let mut mode = String::new();
    while let Some(row) = rows.next()? {
        mode = row.get(0)?;
    }
    Ok(mode)
}

impl SqlConnection for SqliteConnection {
    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64> {
        let changed = self.statement(sql, params)?.raw_execute().map_err(from_rusqlite)?;
        Ok(changed as u64)
    }

    fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>> {
        let mut statement = self.statement(sql, params)?;
        check_columns(&statement, sql, kinds)?;
        let mut rows = statement.raw_query();
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(from_rusqlite)? {
            all.push(read_row(row, kinds)?);
        }
        Ok(all)
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        self.connection.execute_batch(sql).map_err(from_rusqlite)
    }

    fn check_reads(&mut self, sql: &str) -> Result<()> {
        // SQLite counts what begins and ends transactions, and some pragmas, among what only reads.
        let word = sql.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        let asks = ["select", "with", "values"].iter().any(|known| word.eq_ignore_ascii_case(known));
        let statement = self.connection.prepare_cached(sql).map_err(from_rusqlite)?;
        if asks && statement.readonly() && statement.column_count() > 0 {
            return Ok(());
        }
        Err(Error::internal(format!("raw SQL only reads (`SELECT`, `WITH`, `VALUES`): {sql}")))
    }

    fn use_cells(&mut self, cells: Arc<dyn Cells>) -> Result<()> {
        let prepare = || -> rusqlite::Result<()> {
            self::cells::register(&self.connection, &cells)?;
            // A sort or a view that is made whole holds opened values.
            self.connection.pragma_update(None, "temp_store", "MEMORY")?;
            // A key that is lost one day must not open what was deleted before.
            self.connection.pragma_update(None, "secure_delete", true)
        };
        prepare().map_err(from_rusqlite)?;
        self.cells = Some(cells);
        Ok(())
    }

    fn cells(&self) -> Option<&Arc<dyn Cells>> {
        self.cells.as_ref()
    }

    fn in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    fn for_each(
        &mut self,
        sql: &str,
        params: &[Value],
        kinds: &[Kind],
        each: &mut dyn FnMut(Row) -> Result<bool>,
    ) -> Result<()> {
        let mut statement = self.statement(sql, params)?;
        check_columns(&statement, sql, kinds)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(from_rusqlite)? {
            if !each(read_row(row, kinds)?)? {
                break;
            }
        }
        Ok(())
    }
}

fn check_columns(statement: &CachedStatement<'_>, sql: &str, kinds: &[Kind]) -> Result<()> {
    if statement.column_count() == kinds.len() {
        return Ok(());
    }
    Err(Error::internal(format!(
        "the query has {} columns, {} kinds were given: {sql}",
        statement.column_count(),
        kinds.len()
    )))
}
