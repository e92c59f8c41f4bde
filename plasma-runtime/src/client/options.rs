//! Where a client keeps its data.

#[cfg(feature = "sqlite")]
use std::path::PathBuf;

use super::engine::Durability;
use crate::error::Result;
use crate::future::MaybeSend;
use crate::store::SqlConnection;

/// The connections of an opened store.
pub struct OpenStore {
    /// The one connection that writes.
    pub writer: Box<dyn SqlConnection>,
    /// A second one for reads, where the store allows two: it sees what is committed, and never waits for the writer.
    pub reader: Option<Box<dyn SqlConnection>>,
    /// Other processes may open the same store and change it.
    pub shared: bool,
}

impl std::fmt::Debug for OpenStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenStore")
            .field("reader", &self.reader.is_some())
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

/// A local store that a client can be opened on. [`SqliteStore`] is the library's.
pub trait ClientStore: MaybeSend {
    /// Opens it.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when it cannot be opened.
    fn open(self: Box<Self>, durability: Durability) -> Result<OpenStore>;

    /// The path of its file, when it is a SQLite file that others can be attached to: then a server may send a first
    /// sync as a file beside it.
    fn file(&self) -> Option<&std::path::Path> {
        None
    }
}

/// A SQLite database: a file, or memory.
#[cfg(feature = "sqlite")]
#[derive(Debug, Clone)]
pub struct SqliteStore {
    path: Option<PathBuf>,
}

#[cfg(feature = "sqlite")]
impl SqliteStore {
    /// The file at `path`; it is made when there is none. Several processes may open the same file: one at a time
    /// syncs, all read and write.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        SqliteStore { path: Some(path.into()) }
    }

    /// A database in memory, gone when the client is closed: for tests, and for data the server has.
    pub fn in_memory() -> Self {
        SqliteStore { path: None }
    }
}

#[cfg(feature = "sqlite")]
impl ClientStore for SqliteStore {
    fn file(&self) -> Option<&std::path::Path> {
        self.path.as_deref().filter(|_| cfg!(not(target_family = "wasm")))
    }

    fn open(self: Box<Self>, durability: Durability) -> Result<OpenStore> {
        use crate::store::sqlite::{SqliteConnection, SqliteOptions, Synchronous};
        let synchronous = match durability {
            Durability::Full => Synchronous::Full,
            Durability::Normal | Durability::WriteBehind => Synchronous::Normal,
        };
        // The client performs `on_delete` itself: its tables have no foreign keys to enforce.
        let options = SqliteOptions {
            synchronous,
            foreign_keys: false,
            // A first sync of 100,000 rows is one transaction of some 3,500 pages: it is neither spilled half-way nor
            // moved into the database, with two waits for the disk, before anybody is told of it.
            cache_kib: Some(16 << 10),
            checkpoint_pages: Some(4_000),
            ..SqliteOptions::default()
        };
        let Some(path) = self.path else {
            return Ok(OpenStore {
                writer: Box::new(SqliteConnection::in_memory_with(options)?),
                reader: None,
                shared: false,
            });
        };
        let writer = Box::new(SqliteConnection::open(&path, options.clone())?);
        // Write-behind reads must see what is not committed yet, and browsers cannot share a file: one connection there.
        let alone = durability == Durability::WriteBehind || cfg!(target_family = "wasm");
        let reader: Option<Box<dyn SqlConnection>> = if alone {
            None
        } else {
            Some(Box::new(SqliteConnection::open(
                &path,
                SqliteOptions { read_only: true, cache_kib: None, ..options },
            )?))
        };
        Ok(OpenStore { writer, reader, shared: true })
    }
}
