//! Where a server keeps its data.

use crate::error::Result;
use crate::store::SqlExecutor;

/// A database that a server can open connections to. Their futures are ready at the first poll: they block.
pub trait Database: Send + Sync + 'static {
    /// The connection everything is written on. Asked for once.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when it cannot be opened.
    fn writer(&self) -> Result<Box<dyn SqlExecutor>>;

    /// A connection for reads; none when reads must use the writer's.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when it cannot be opened.
    fn reader(&self) -> Result<Option<Box<dyn SqlExecutor>>>;
}

#[cfg(feature = "sqlite")]
pub use sqlite::SqliteDatabase;

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::path::PathBuf;
    use std::sync::{Mutex, PoisonError};

    use super::Database;
    use crate::error::{Error, ErrorKind, Result};
    use crate::store::SqlExecutor;
    use crate::store::sqlite::{SqliteConnection, SqliteOptions, Synchronous};

    /// A SQLite database: a file in WAL mode at `synchronous = FULL`, or memory.
    #[derive(Debug)]
    pub struct SqliteDatabase(Place);

    #[derive(Debug)]
    enum Place {
        File(PathBuf),
        /// One connection for everything.
        Connection(Mutex<Option<SqliteConnection>>),
        Memory,
    }

    impl SqliteDatabase {
        /// A file, made when there is none.
        pub fn file(path: impl Into<PathBuf>) -> Self {
            SqliteDatabase(Place::File(path.into()))
        }

        /// A fresh database in memory, for tests: gone with the server. Reads and writes share its one connection.
        pub fn in_memory() -> Self {
            SqliteDatabase(Place::Memory)
        }

        /// An open connection, used for reads and writes. Its durability is its own.
        pub fn connection(connection: SqliteConnection) -> Self {
            SqliteDatabase(Place::Connection(Mutex::new(Some(connection))))
        }
    }

    impl Database for SqliteDatabase {
        fn writer(&self) -> Result<Box<dyn SqlExecutor>> {
            Ok(match &self.0 {
                Place::File(path) => {
                    let options = SqliteOptions { synchronous: Synchronous::Full, ..SqliteOptions::default() };
                    Box::new(SqliteConnection::open(path, options)?)
                }
                Place::Memory => Box::new(SqliteConnection::in_memory()?),
                Place::Connection(connection) => {
                    let taken = connection.lock().unwrap_or_else(PoisonError::into_inner).take();
                    Box::new(taken.ok_or_else(|| Error::new(ErrorKind::Config, "the connection was taken already"))?)
                }
            })
        }

        fn reader(&self) -> Result<Option<Box<dyn SqlExecutor>>> {
            let Place::File(path) = &self.0 else { return Ok(None) };
            let options = SqliteOptions { read_only: true, create: false, ..SqliteOptions::default() };
            Ok(Some(Box::new(SqliteConnection::open(path, options)?)))
        }
    }
}
