//! How many values the store has sealed with each key: rows of `_plasma_meta`, so that the count outlives the program.

use crate::crypto::{KeyId, NonceLedger};
use crate::error::{Error, ErrorKind, Result};
use crate::store::SqlConnection;
use crate::value::{Kind, Value};

/// The counts of an open store.
///
/// A count is written when a block of nonces begins, in the transaction that is open, if one is. Should that one be
/// rolled back, the block is not counted: a nonce is random and never drawn again, so a count that is short by a block
/// moves the limit by as much and does no other harm.
pub(crate) struct StoreLedger<'s>(pub(crate) &'s mut dyn SqlConnection);

/// What the keys of `_plasma_meta` with a count begin with.
const PREFIX: &str = "sealed_with:";

impl NonceLedger for StoreLedger<'_> {
    fn reserve(&mut self, key: &KeyId, count: u64) -> Result<u64> {
        let count = i64::try_from(count).map_err(|_| Error::internal("a block of nonces is smaller than that"))?;
        // One statement: other processes that have the store open count too.
        let sql = "INSERT INTO _plasma_meta (key, value) VALUES (?1, CAST(?2 AS TEXT)) ON CONFLICT (key)
            DO UPDATE SET value = CAST(CAST(value AS INTEGER) + ?2 AS TEXT) RETURNING CAST(value AS INTEGER)";
        let rows = self.0.query(sql, &[format!("{PREFIX}{key}").into(), count.into()], &[Kind::BigInt])?;
        let total = rows.first().and_then(|row| row.first()).and_then(Value::as_int);
        total
            .and_then(|total| u64::try_from(total).ok())
            .ok_or_else(|| Error::new(ErrorKind::Storage, "the store's count of sealed values is damaged"))
    }
}
