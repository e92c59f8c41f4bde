//! A connection that dies in the middle of a step, as a killed process does.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::store::SqlConnection;
use crate::store::cells::Cells;
use crate::store::sqlite::SqliteConnection;
use crate::value::{Kind, Row, Value};

/// A store that can be told to fail from its nth statement on.
#[derive(Debug)]
pub(super) struct CrashyStore {
    inner: SqliteConnection,
    /// Statements left until it dies; none is for ever.
    left: Option<u64>,
}

impl CrashyStore {
    pub(super) fn new(inner: SqliteConnection) -> Self {
        CrashyStore { inner, left: None }
    }

    /// The statements from this one on fail.
    pub(super) fn crash_after(&mut self, statements: u64) {
        self.left = Some(statements);
    }

    /// Whether it has died.
    pub(super) fn crashed(&self) -> bool {
        self.left == Some(0)
    }

    /// What a restart does: the open transaction is gone, committed work is there.
    ///
    /// # Errors
    /// Those of the rollback.
    pub(super) fn recover(&mut self) -> Result<()> {
        let crashed = self.crashed();
        self.left = None;
        if SqlConnection::in_transaction(&self.inner) {
            SqlConnection::batch(&mut self.inner, "ROLLBACK")?;
        }
        if crashed {
            // A process that starts has a new connection.
            SqlConnection::batch(&mut self.inner, "PRAGMA foreign_keys = ON; PRAGMA legacy_alter_table = OFF")?;
        }
        Ok(())
    }

    pub(super) fn inner(&mut self) -> &mut SqliteConnection {
        &mut self.inner
    }

    fn step(&mut self) -> Result<()> {
        match &mut self.left {
            None => Ok(()),
            Some(0) => Err(Error::new(ErrorKind::Storage, "the simulated process has died")),
            Some(left) => {
                *left -= 1;
                if *left == 0 { self.step() } else { Ok(()) }
            }
        }
    }
}

impl SqlConnection for CrashyStore {
    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64> {
        self.step()?;
        SqlConnection::execute(&mut self.inner, sql, params)
    }

    fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>> {
        self.step()?;
        SqlConnection::query(&mut self.inner, sql, params, kinds)
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        self.step()?;
        SqlConnection::batch(&mut self.inner, sql)
    }

    fn check_reads(&mut self, sql: &str) -> Result<()> {
        SqlConnection::check_reads(&mut self.inner, sql)
    }

    fn use_cells(&mut self, cells: Arc<dyn Cells>) -> Result<()> {
        self.inner.use_cells(cells)
    }

    fn cells(&self) -> Option<&Arc<dyn Cells>> {
        self.inner.cells()
    }

    fn in_transaction(&self) -> bool {
        SqlConnection::in_transaction(&self.inner)
    }

    fn for_each(
        &mut self,
        sql: &str,
        params: &[Value],
        kinds: &[Kind],
        each: &mut dyn FnMut(Row) -> Result<bool>,
    ) -> Result<()> {
        self.step()?;
        self.inner.for_each(sql, params, kinds, each)
    }
}
