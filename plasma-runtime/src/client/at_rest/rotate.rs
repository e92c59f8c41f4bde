//! Another key for the sealed cells of a store.

use super::cipher::AtRestCipher;
use super::opening::{Stored, fold_log};
use super::places::{Places, opening, sealing};
use crate::client::identity::{self, keys};
use crate::client::rows::transaction;
use crate::crypto::{Dek, KeyId};
use crate::error::Result;
use crate::store::SqlConnection;
use crate::store::cells::Cells as _;

/// Seals everything that is sealed with another key, in one transaction. What the old key sealed is overwritten in the
/// file; where another connection still reads from the write-ahead log, it leaves that with one of the next checkpoints.
pub(crate) fn rotate(store: &mut dyn SqlConnection, cipher: &AtRestCipher, key: Dek, key_id: KeyId) -> Result<()> {
    let counted = identity::number(store, keys::AT_REST_COUNT)?;
    cipher.begin_change(key, key_id)?;
    let changed = transaction(store, |store| {
        // The count is of one key.
        identity::set(store, keys::AT_REST_COUNT, None)?;
        let Some(text) = identity::all(store)?.remove(keys::AT_REST) else { return Ok(()) };
        let mut stored = Stored::read(&text)?;
        for places in [&Places::own(), &stored.cells] {
            places.rewrite(store, |cell, table, column, row| {
                sealing(&opening(cell, table, column, row), table, column, row)
            })?;
        }
        stored.key_id = cipher.key_id();
        stored.check = cipher.check_value()?;
        stored.write(store)
    });
    if let Err(error) = changed {
        cipher.end_change(false, counted);
        return Err(error);
    }
    // The store is the new key's, whatever fails from here on: an error would say that the old key stays.
    cipher.end_change(true, identity::number(store, keys::AT_REST_COUNT).unwrap_or_default());
    if let Err(error) = fold_log(store) {
        tracing::warn!(%error, "the write-ahead log was not folded after a change of the key");
    }
    Ok(())
}
