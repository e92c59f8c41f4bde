//! Whether mutations get savepoints.
//!
//! A savepoint is only needed for a mutation that fails after it wrote, and costs as much as the mutation (SQLite copies
//! the pages it changes, Postgres is asked twice more). So a transaction begins without them, and is run again with them
//! when one was needed. Where one was, the next is likely near (a client that went offline with a queue of such): for
//! some transactions after it all have savepoints from the start, so that a client that fails on purpose costs everybody
//! else little.

use std::sync::atomic::{AtomicU32, Ordering};

/// Transactions with savepoints after one that lacked one.
const CAUTIOUS: u32 = 64;

/// How many transactions more take savepoints.
#[derive(Debug, Default)]
pub(in crate::server) struct Caution(AtomicU32);

impl Caution {
    /// Whether the transaction that begins takes them.
    pub(super) fn begin(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// One was needed and not there.
    pub(super) fn lacked_one(&self) {
        self.0.store(CAUTIOUS, Ordering::Relaxed);
    }
}
