//! How a connection is opened.

/// When SQLite waits for the disk (`PRAGMA synchronous`, in WAL mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Synchronous {
    /// At checkpoints: a commit survives a kill of the process, not always a power loss.
    #[default]
    Normal,
    /// At every commit: a commit survives power loss.
    Full,
    /// Never: for tests and for stores that can be thrown away.
    Off,
}

impl Synchronous {
    pub(super) fn pragma(self) -> &'static str {
        match self {
            Synchronous::Normal => "NORMAL",
            Synchronous::Full => "FULL",
            Synchronous::Off => "OFF",
        }
    }
}

/// How a connection is opened. Every setting has a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteOptions {
    /// When SQLite waits for the disk. [`Synchronous::Normal`].
    pub synchronous: Synchronous,
    /// Only reads; the file must exist. False.
    pub read_only: bool,
    /// Makes the file when there is none. True.
    pub create: bool,
    /// How long a statement waits for a lock of another connection, ms. 5,000.
    pub busy_timeout_ms: u64,
    /// Overwrites deleted content with zeros. False.
    pub secure_delete: bool,
    /// Foreign keys are enforced. True (they are only there when the tables were made for the server).
    pub foreign_keys: bool,
    /// How many prepared statements are kept. 512.
    pub cached_statements: usize,
    /// Size of the page cache, KiB. None is SQLite's own (2,000 KiB).
    pub cache_kib: Option<u32>,
    /// Pages of the write-ahead log from which on a commit moves them into the database. None is SQLite's own (1,000).
    pub checkpoint_pages: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        SqliteOptions {
            synchronous: Synchronous::Normal,
            read_only: false,
            create: true,
            busy_timeout_ms: 5_000,
            secure_delete: false,
            foreign_keys: true,
            cached_statements: 512,
            cache_kib: None,
            checkpoint_pages: None,
        }
    }
}
