//! Who syncs a store that several processes have open: the holder of a lease in `_plasma_meta`.
//!
//! The lease is a courtesy, not a lock: a holder that froze and wakes up after it ended can do no harm, because an
//! answer is applied only if the cookie it was asked with is still the store's, and the server's ledger knows keys.

use super::identity::{self, Meta, keys};
use crate::error::Result;
use crate::store::SqlConnection;

/// Takes or keeps the lease; the end of the other's lease when another has it. Call it inside a transaction.
pub(crate) fn take(
    store: &mut dyn SqlConnection,
    meta: &mut Meta,
    holder: &str,
    now: i64,
    length_ms: u64,
) -> Result<Result<(), i64>> {
    let length = i64::try_from(length_ms).unwrap_or(i64::MAX);
    let mine = meta.lease_holder.as_deref() == Some(holder);
    // A clock that was set back must not lock everybody out for long: who took the lease meant it to end by then.
    let running = meta.lease_holder.is_some()
        && meta.lease_until > now
        && meta.lease_until <= now.saturating_add(length.saturating_mul(2));
    if running && !mine {
        return Ok(Err(meta.lease_until));
    }
    if !mine || meta.lease_until < now.saturating_add(length / 2) {
        meta.lease_holder = Some(holder.to_owned());
        meta.lease_until = now.saturating_add(length);
        identity::set(store, keys::LEASE_HOLDER, Some(holder))?;
        identity::set(store, keys::LEASE_UNTIL, Some(&meta.lease_until.to_string()))?;
    }
    Ok(Ok(()))
}

/// Gives the lease back, if it is ours. Call it inside a transaction.
pub(crate) fn release(store: &mut dyn SqlConnection, holder: &str) -> Result<()> {
    store.execute(
        "DELETE FROM _plasma_meta WHERE key IN ('lease_holder', 'lease_until')
         AND (SELECT value FROM _plasma_meta WHERE key = 'lease_holder') = ?1",
        &[holder.into()],
    )?;
    Ok(())
}
