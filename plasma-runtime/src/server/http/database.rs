//! Where a server keeps its data.

use std::fmt;
use std::sync::Arc;

use crate::error::Result;
use crate::future::BoxFuture;
use crate::server::PokeBus;
use crate::store::SqlExecutor;

/// A database that a server can run on.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use plasma_runtime::server::{Database, SqliteDatabase};
///
/// // One program, the database by its arguments: `Server::<App>::builder(choose(..))`.
/// fn choose(place: &str) -> Box<dyn Database> {
///     match place {
///         #[cfg(feature = "postgres")]
///         url if url.starts_with("postgres://") => Box::new(plasma_runtime::server::PostgresDatabase::url(url)),
///         file => Box::new(SqliteDatabase::file(file)),
///     }
/// }
/// # let _ = choose("app.db"); }
/// ```
pub trait Database: Send + Sync + 'static {
    /// How its connections are used. None is opened yet.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) when what it was told contradicts itself.
    fn connections(self: Box<Self>) -> Result<Connections>;
}

impl<D: Database + ?Sized> Database for Box<D> {
    fn connections(self: Box<Self>) -> Result<Connections> {
        D::connections(*self)
    }
}

/// How the connections of a database are used.
pub enum Connections {
    /// One writes, on a thread of its own; others read, on threads that may block.
    Blocking(Box<dyn BlockingDatabase>),
    /// Many read and write at once, without blocking a thread.
    Pooled(Arc<dyn ConnectionPool>),
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Connections::Blocking(_) => "Blocking",
            Connections::Pooled(_) => "Pooled",
        })
    }
}

/// A database whose connections block: their futures are ready at the first poll.
pub trait BlockingDatabase: Send + Sync + 'static {
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

/// A database whose connections wait without blocking, and write at once.
pub trait ConnectionPool: Send + Sync + 'static {
    /// A connection that is in no transaction, within a bounded time. Dropped, it goes back; one that is broken or
    /// inside a transaction does not.
    ///
    /// # Errors
    /// [`Fault`](crate::ErrorKind::Fault) when all are taken for too long, [`Storage`](crate::ErrorKind::Storage) when
    /// the database does not answer.
    fn get(&self) -> BoxFuture<'_, Result<Box<dyn SqlExecutor>>>;

    /// A connection that is not one of the pool's, for what holds one for long.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the database does not answer.
    fn get_own(&self) -> BoxFuture<'_, Result<Box<dyn SqlExecutor>>>;

    /// How many connections there are at most.
    fn size(&self) -> usize;

    /// What carries pokes between the processes of this database, unless the server is given another.
    fn poke_bus(&self) -> Option<Arc<dyn PokeBus>> {
        None
    }

    /// Ends its connections as soon as nobody uses them; gives no more.
    fn close(&self) {}
}

#[cfg(feature = "postgres")]
pub use postgres::PostgresDatabase;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteDatabase;

#[cfg(feature = "postgres")]
mod postgres {
    use std::fmt;
    use std::sync::Arc;

    use super::{ConnectionPool, Connections, Database};
    use crate::error::Result;
    use crate::future::BoxFuture;
    use crate::server::PokeBus;
    use crate::server::poke::PostgresPokes;
    use crate::store::SqlExecutor;
    use crate::store::postgres::{PostgresOptions, PostgresPool};

    /// A Postgres database. As many server processes as one likes may run on one.
    ///
    /// Besides the connections of its pool a server holds three more: one gives what is committed its place in the log, one
    /// tells the other processes, one listens to them.
    pub struct PostgresDatabase(PostgresOptions);

    impl fmt::Debug for PostgresDatabase {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_tuple("PostgresDatabase").field(&self.0).finish()
        }
    }

    impl PostgresDatabase {
        /// The database of this URL, `postgres://user:password@host:port/database?..`.
        pub fn url(url: impl Into<String>) -> Self {
            PostgresDatabase(PostgresOptions::new(url))
        }

        /// With settings of its own: the schema, the number of connections, timeouts, TLS.
        pub fn options(options: PostgresOptions) -> Self {
            PostgresDatabase(options)
        }
    }

    impl Database for PostgresDatabase {
        fn connections(self: Box<Self>) -> Result<Connections> {
            let pool = PostgresPool::new(self.0)?;
            Ok(Connections::Pooled(Arc::new(pool)))
        }
    }

    impl ConnectionPool for PostgresPool {
        fn get(&self) -> BoxFuture<'_, Result<Box<dyn SqlExecutor>>> {
            Box::pin(async { Ok(Box::new(PostgresPool::get(self).await?) as Box<dyn SqlExecutor>) })
        }

        fn get_own(&self) -> BoxFuture<'_, Result<Box<dyn SqlExecutor>>> {
            Box::pin(async { Ok(Box::new(PostgresPool::get_own(self).await?) as Box<dyn SqlExecutor>) })
        }

        fn size(&self) -> usize {
            PostgresPool::size(self)
        }

        fn poke_bus(&self) -> Option<Arc<dyn PokeBus>> {
            Some(Arc::new(PostgresPokes::new(self.clone())))
        }

        fn close(&self) {
            PostgresPool::close(self);
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::path::PathBuf;
    use std::sync::{Mutex, PoisonError};

    use super::{BlockingDatabase, Connections, Database};
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
        fn connections(self: Box<Self>) -> Result<Connections> {
            Ok(Connections::Blocking(self))
        }
    }

    impl BlockingDatabase for SqliteDatabase {
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
