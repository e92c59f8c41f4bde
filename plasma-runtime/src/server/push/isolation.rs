//! How a transaction of a push begins, and what became of one that lost against another.

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

/// How mutations run on Postgres, where those of several clients run at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concurrency {
    /// What they see of each other. [`Isolation::Serializable`].
    pub isolation: Isolation,
    /// Mutations in one transaction. 32: beyond 64 savepoints Postgres looks on disk for who wrote a row.
    pub mutations: usize,
    /// How often a transaction that lost against another is run before the push is answered with 503. 12.
    pub tries: u32,
}

impl Default for Concurrency {
    fn default() -> Self {
        Concurrency { isolation: Isolation::default(), mutations: 32, tries: 12 }
    }
}

/// Begins a transaction, and locks the one table that every push has: before its snapshot is taken, which a lock by a
/// function would not be.
macro_rules! begin {
    ($isolation:literal, $mode:literal) => {
        concat!("BEGIN ISOLATION LEVEL ", $isolation, "; LOCK TABLE _plasma_meta IN ", $mode, " MODE")
    };
    ($isolation:literal, $mode:literal, $more:literal) => {
        concat!("BEGIN ISOLATION LEVEL ", $isolation, "; LOCK TABLE _plasma_meta IN ", $mode, " MODE; ", $more)
    };
}

impl Concurrency {
    /// Begins the transaction of a group. On Postgres it keeps migrations out: the tables stay what it finds them to be.
    ///
    /// `alone` is for one that lost again and again: it waits until the pushes of all servers have ended, and they for it.
    /// That those of one server are tried again one after the other is not enough: the losers of two servers can be in
    /// each other's way for ever.
    pub(super) fn begin(&self, dialect: Dialect, alone: bool) -> &'static str {
        // A scan of a small table counts as having read all of it: then every two pushes are in each other's way. Without
        // this even the ledger would be read so.
        match (dialect, self.isolation, alone) {
            (Dialect::Sqlite, ..) => "BEGIN IMMEDIATE",
            (Dialect::Postgres, Isolation::Serializable, false) => {
                begin!("SERIALIZABLE", "ROW SHARE", "SET LOCAL enable_seqscan = off")
            }
            (Dialect::Postgres, Isolation::Serializable, true) => {
                begin!("SERIALIZABLE", "EXCLUSIVE", "SET LOCAL enable_seqscan = off")
            }
            (Dialect::Postgres, Isolation::RepeatableRead, false) => begin!("REPEATABLE READ", "ROW SHARE"),
            (Dialect::Postgres, Isolation::RepeatableRead, true) => begin!("REPEATABLE READ", "EXCLUSIVE"),
            (Dialect::Postgres, Isolation::ReadCommitted, false) => begin!("READ COMMITTED", "ROW SHARE"),
            (Dialect::Postgres, Isolation::ReadCommitted, true) => begin!("READ COMMITTED", "EXCLUSIVE"),
        }
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
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "no other database tells"))]
pub(super) enum Circumstance {
    /// The transaction was in another one's way (40001, 40P01): run again it meets another world.
    Race,
    /// A row was held by somebody else for too long (55P03).
    Held,
    /// The database has no room for what all do together: its disk is full, or its table of locks.
    Full,
    /// The server ended the connection, and said so: it stops, or an operator wanted it.
    Ended,
    /// The connection ended without a word. The server's process may have crashed, over this very mutation; or the network
    /// was cut, or what the server said came between two statements. A mutation must not be rejected because its database
    /// was restarted a few times: only the repetition tells.
    Cut,
}

/// Which of these it is, if any.
#[cfg(feature = "postgres")]
pub(super) fn circumstance(error: &Error) -> Option<Circumstance> {
    use crate::store::postgres::error;
    if error::is_retryable(error) {
        Some(Circumstance::Race)
    } else if error::is_locked(error) {
        Some(Circumstance::Held)
    } else if error::is_full(error) {
        Some(Circumstance::Full)
    } else if error::is_cut(error) {
        Some(Circumstance::Cut)
    } else if error::is_connection(error) {
        Some(Circumstance::Ended)
    } else {
        None
    }
}

/// Which of these it is, if any.
#[cfg(not(feature = "postgres"))]
pub(super) fn circumstance(_: &Error) -> Option<Circumstance> {
    None
}

/// Whether the database itself answered with this error, and goes on.
#[cfg(feature = "postgres")]
pub(super) fn is_answer(error: &Error) -> bool {
    crate::store::postgres::error::sql_state(error).is_some()
}

/// Whether the database itself answered with this error, and goes on.
#[cfg(not(feature = "postgres"))]
pub(super) fn is_answer(_: &Error) -> bool {
    false
}

/// Whether a statement ran for too long, or somebody canceled it.
#[cfg(feature = "postgres")]
pub(super) fn is_canceled(error: &Error) -> bool {
    crate::store::postgres::error::is_canceled(error)
}

/// Whether a statement ran for too long, or somebody canceled it.
#[cfg(not(feature = "postgres"))]
pub(super) fn is_canceled(_: &Error) -> bool {
    false
}
