//! What a mutator is told about its run: the envelope, and ids that every run agrees on.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::value::Timestamp;

/// Where a mutator runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Location {
    /// In the client engine.
    Client,
    /// In the server engine.
    Server,
}

/// Why a mutator runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// For the first time, on the client.
    Optimistic,
    /// Again, on the client, over a newer base.
    Rebase,
    /// On the server: the run that counts.
    Authoritative,
}

/// The envelope of a mutation, as one run sees it.
#[derive(Debug)]
pub struct TxMeta {
    /// Where.
    pub location: Location,
    /// Why.
    pub reason: Reason,
    /// The client that issued the mutation; none for a job of the server.
    pub client_id: Option<String>,
    /// The mutation's id; none for a job of the server.
    pub mutation_id: Option<u64>,
    /// The mutation's key: drawn once, kept through every renumbering, seed of the ids below.
    pub key: Uuid,
    /// The envelope's time, milliseconds since 1970 by the client's clock.
    pub timestamp: i64,
    /// The server's clock at the canonical run, milliseconds since 1970.
    pub received_at: Option<i64>,
    /// Ids drawn in this run, by stream.
    drawn: Mutex<BTreeMap<(bool, &'static str), u64>>,
}

impl TxMeta {
    /// The envelope of one run.
    pub fn new(location: Location, reason: Reason, key: Uuid, timestamp: i64) -> Self {
        TxMeta {
            location,
            reason,
            client_id: None,
            mutation_id: None,
            key,
            timestamp,
            received_at: None,
            drawn: Mutex::new(BTreeMap::new()),
        }
    }

    /// The envelope's time.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.timestamp)
    }

    /// The n-th id of `table` in this run. `trusted` ids have a stream of their own, so that a row written only on
    /// the server does not shift the ids of the rows after it.
    pub fn next_id(&self, table: &'static str, trusted: bool) -> Uuid {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let ordinal = drawn.entry((trusted, table)).or_default();
        *ordinal += 1;
        let label = if trusted { format!("trusted:{ordinal}") } else { format!("{ordinal}") };
        drop(drawn);
        self.derived_id(table, "ordinal", &label)
    }

    /// The id of `table` under a label of the application's choice, where a branch could shift the numbering.
    pub fn id_for(&self, table: &'static str, label: &str) -> Uuid {
        self.derived_id(table, "label", label)
    }

    /// A UUIDv8 (RFC 9562, section 5.8): 48 bits of the envelope's time, then SHA-256 over the length-prefixed parts.
    fn derived_id(&self, table: &str, stream: &str, label: &str) -> Uuid {
        let mut hash = Sha256::new();
        for part in [self.key.as_bytes().as_slice(), table.as_bytes(), stream.as_bytes(), label.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut bytes = [0u8; 16];
        bytes[..6].copy_from_slice(&self.timestamp.max(0).to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&digest[..10]);
        bytes[6] = (bytes[6] & 0x0f) | 0x80;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Uuid::from_bytes(bytes)
    }
}
