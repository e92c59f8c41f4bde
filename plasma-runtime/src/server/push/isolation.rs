//! How a transaction of a push begins, and what became of one that lost against another.

use std::time::Duration;

use crate::error::Error;
use crate::future::{BoxFuture, ready};
use crate::query::lower::Dialect;

/// What pushes that run at once see of each other, on a database where they do (Postgres). On SQLite they run one after
/// the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Isolation {
    /// Nothing: what is committed is what some order of the mutations, one after the other, would have come to. A
    /// mutator means what it means on SQLite. One that would break this is run again, and the application never hears
    /// of it.
    #[default]
    Serializable,
    /// Each transaction sees the database as it was when it began. A row that two of them change is changed by one after
    /// the other; what a mutator only *reads* (a sum over other rows, "there is no such row yet") may be out of date
    /// when it commits.
    RepeatableRead,
    /// Each statement sees what is committed when it begins: a mutator that reads a row and writes what it calculated
    /// from it may overwrite another's change.
    ReadCommitted,
}

impl Isolation {
    fn sql(self) -> &'static str {
        match self {
            Isolation::Serializable => "SERIALIZABLE",
            Isolation::RepeatableRead => "REPEATABLE READ",
            Isolation::ReadCommitted => "READ COMMITTED",
        }
    }
}

/// How mutations run on Postgres, where those of several clients run at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concurrency {
    /// What they see of each other. [`Isolation::Serializable`].
    pub isolation: Isolation,
    /// Mutations in one transaction. 32: beyond 64 savepoints Postgres looks on disk for who wrote a row.
    pub mutations: usize,
    /// How often a transaction that lost against another is run before the push is answered with 503. 12.
    pub tries: u32,
    /// How long a statement waits for a row that another transaction holds; then the push is answered with 503. 2 s.
    pub lock_timeout: Duration,
    /// How long a statement may run; a mutation with a longer one is rejected. 15 s.
    pub statement_timeout: Duration,
}

impl Default for Concurrency {
    fn default() -> Self {
        Concurrency {
            isolation: Isolation::default(),
            mutations: 32,
            tries: 12,
            lock_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(15),
        }
    }
}

impl Concurrency {
    /// Begins the transaction of a group.
    pub(super) fn begin(&self, dialect: Dialect) -> String {
        if dialect == Dialect::Sqlite {
            return "BEGIN IMMEDIATE".to_owned();
        }
        let Concurrency { isolation, lock_timeout, statement_timeout, .. } = self;
        let mut sql = format!(
            "BEGIN ISOLATION LEVEL {}; SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {}",
            isolation.sql(),
            lock_timeout.as_millis(),
            statement_timeout.as_millis()
        );
        if *isolation == Isolation::Serializable {
            // A scan of a small table counts as having read all of it: then every two pushes are in each other's way.
            // Without this even the ledger would be read so. Compiling what looks expensive would cost more than it.
            sql.push_str("; SET LOCAL enable_seqscan = off; SET LOCAL jit = off");
        }
        sql
    }
}

/// What is done between two tries of a transaction that lost against another.
pub trait Retry: Send {
    /// Waits a little and says whether to try again, having tried this often.
    fn again(&mut self, tries: u32) -> BoxFuture<'_, bool>;
}

/// Tries again at once, so many times.
#[derive(Debug, Clone, Copy)]
pub struct AtOnce(pub u32);

impl Retry for AtOnce {
    fn again(&mut self, tries: u32) -> BoxFuture<'_, bool> {
        ready(tries < self.0)
    }
}

/// How a statement ended that is nobody's fault but the circumstances'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Circumstance {
    /// The transaction was in another one's way (40001, 40P01): run again it meets another world.
    Race,
    /// A row was held by somebody else for too long (55P03).
    Held,
    /// It ran for too long (57014).
    TooLong,
}

/// Which of these it is, if any.
#[cfg(feature = "postgres")]
pub(super) fn circumstance(error: &Error) -> Option<Circumstance> {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<tokio_postgres::Error>() {
            let db = error.as_db_error()?;
            return match db.code().code() {
                "40001" | "40P01" => Some(Circumstance::Race),
                "55P03" => Some(Circumstance::Held),
                // Somebody else's request to cancel has the same code.
                "57014" if db.message().contains("statement timeout") => Some(Circumstance::TooLong),
                _ => None,
            };
        }
        source = cause.source();
    }
    None
}

/// Which of these it is, if any.
#[cfg(not(feature = "postgres"))]
pub(super) fn circumstance(_: &Error) -> Option<Circumstance> {
    None
}
