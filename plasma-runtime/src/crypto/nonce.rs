//! Nonces: random, drawn in blocks, and counted.

use std::collections::BTreeMap;
use std::fmt;

use super::{KeyId, SealError};
use crate::error::Result;
use crate::inputs::Entropy;
use crate::value::envelope::NONCE;

/// How many values one store seals with one key: 2^28. With random nonces of 96 bits all holders of a key together may seal
/// 2^32 values before the chance that two have the same nonce exceeds 2^-33 (NIST SP 800-38D, section 8.3): as many
/// as sixteen stores that all reach their limit.
pub const NONCE_LIMIT: u64 = 1 << 28;

/// From here on [`Nonces::is_due`] says that another key should become current, and the log has said so once: a quarter of
/// [`NONCE_LIMIT`].
pub const NONCE_WARNING: u64 = NONCE_LIMIT / 4;

/// How many nonces are counted in advance, so that not every value sealed writes to the ledger.
const RESERVED: u64 = 1024;

/// How many nonces are drawn at once: the operating system's random bytes cost a call.
const DRAWN: usize = 64;

/// A number used once, to seal one value. It can be neither copied nor made from bytes, and sealing consumes it.
#[derive(Debug)]
pub struct Nonce(pub(super) [u8; NONCE]);

/// Where the count of values sealed with a key survives a restart: the client's store. [`MemoryLedger`] is one for tests
/// and for programs whose keys live no longer than they do.
pub trait NonceLedger {
    /// Counts `count` more nonces of this key and answers how many that makes. Must be durable no later than what is
    /// sealed with them. Of several processes that use one store each reserves for itself.
    ///
    /// # Errors
    /// Any error of the store: nothing is sealed then.
    fn reserve(&mut self, key: &KeyId, count: u64) -> Result<u64>;
}

/// A ledger that forgets.
#[derive(Debug, Clone, Default)]
pub struct MemoryLedger(BTreeMap<KeyId, u64>);

impl NonceLedger for MemoryLedger {
    fn reserve(&mut self, key: &KeyId, count: u64) -> Result<u64> {
        let used = self.0.entry(key.clone()).or_default();
        *used = used.saturating_add(count);
        Ok(*used)
    }
}

/// Draws nonces and counts them by key. One for each open store, for as long as it is open. It must not live on in two
/// processes (`fork`) or in two copies of a virtual machine: both would draw the same nonces.
#[derive(Default)]
pub struct Nonces {
    drawn: Vec<[u8; NONCE]>,
    keys: BTreeMap<KeyId, Count>,
}

struct Count {
    /// How many of those reserved are left.
    left: u64,
    /// How many are reserved in all, by all who share the ledger as far as it has told.
    total: u64,
}

impl Nonces {
    /// Nothing drawn, nothing reserved.
    pub fn new() -> Self {
        Self::default()
    }

    /// A nonce for one value sealed with this key.
    ///
    /// # Errors
    /// [`KeyUsedUp`](SealError::KeyUsedUp) at [`NONCE_LIMIT`], [`Ledger`](SealError::Ledger) when the ledger fails.
    pub fn next(
        &mut self,
        key: &KeyId,
        ledger: &mut dyn NonceLedger,
        entropy: &mut dyn Entropy,
    ) -> Result<Nonce, SealError> {
        match self.keys.get_mut(key) {
            Some(count) if count.left > 0 => count.left -= 1,
            _ => self.reserve(key, ledger)?,
        }
        if self.drawn.is_empty() {
            let mut bytes = [0; NONCE * DRAWN];
            entropy.fill(&mut bytes);
            self.drawn.extend_from_slice(bytes.as_chunks().0);
        }
        Ok(Nonce(self.drawn.pop().expect("a block was drawn")))
    }

    /// Whether another key should become current before long: this one has sealed [`NONCE_WARNING`] values here.
    pub fn is_due(&self, key: &KeyId) -> bool {
        self.keys.get(key).is_some_and(|count| count.total > NONCE_WARNING)
    }

    /// Gives up what is reserved. To be called when the transaction that the ledger wrote in was rolled back: what it
    /// counted is no longer counted.
    pub fn rolled_back(&mut self) {
        self.keys.clear();
    }

    /// Counts a block of nonces, and takes the first.
    fn reserve(&mut self, key: &KeyId, ledger: &mut dyn NonceLedger) -> Result<(), SealError> {
        let total = ledger.reserve(key, RESERVED).map_err(SealError::Ledger)?;
        if total > NONCE_LIMIT {
            return Err(SealError::KeyUsedUp(key.clone()));
        }
        if total > NONCE_WARNING && total - RESERVED.min(total) <= NONCE_WARNING {
            tracing::warn!(
                key = key.as_str(),
                "a key has sealed a quarter of the values it may; make another one current"
            );
        }
        self.keys.insert(key.clone(), Count { left: RESERVED - 1, total });
        Ok(())
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").field("drawn", &self.drawn.len()).finish_non_exhaustive()
    }
}
