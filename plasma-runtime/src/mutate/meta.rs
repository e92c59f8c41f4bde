//! What a mutator is told about its run: the envelope, and ids and random values that every run agrees on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::observed::Observed;
use super::random;
use super::record::{Effects, Record};
use crate::schema::SchemaDef;
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

/// How the server holds the states of CRDT columns. A client has no say in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CrdtRules {
    /// How far ahead of the server's clock a write of a register may be, ms.
    pub(crate) clock_ahead_ms: i64,
    /// Tags that were removed from sets are kept in the state: rows are merged with those of another region.
    pub(crate) keep_removed: bool,
}

impl Default for CrdtRules {
    fn default() -> Self {
        CrdtRules { clock_ahead_ms: 60_000, keep_removed: false }
    }
}

/// A set that a run adds to: whether by a trusted write, table, row, column.
type SetOfRun = (bool, &'static str, String, &'static str);

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
    /// Random bytes drawn in this run: checked, trusted.
    random: Mutex<[u64; 2]>,
    /// What operations on CRDT columns had seen in the first run.
    observed: Mutex<Observed>,
    /// Additions to sets in this run, by set; trusted ones apart, as ids are.
    added: Mutex<BTreeMap<SetOfRun, u64>>,
    /// How the server holds the states of CRDT columns.
    pub(crate) crdt: CrdtRules,
    /// A statement waits for the store.
    in_flight: AtomicBool,
    /// What the run was told and wrote, when somebody wants to know.
    record: Mutex<Option<Record>>,
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
            random: Mutex::new([0; 2]),
            observed: Mutex::new(Observed::default()),
            added: Mutex::new(BTreeMap::new()),
            crdt: CrdtRules::default(),
            in_flight: AtomicBool::new(false),
            record: Mutex::new(None),
        }
    }

    /// The envelope's time.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.timestamp)
    }

    /// The n-th id of `table` in this run. `trusted` ids have a stream of their own, so that a row written only on
    /// the server does not shift the ids of the rows after it.
    pub fn next_id(&self, table: &'static str, trusted: bool) -> Uuid {
        let mut drawn = lock(&self.drawn);
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

    /// The next bytes of the random stream; `trusted` values have a stream of their own, as ids have.
    pub fn random(&self, trusted: bool, bytes: &mut [u8]) {
        let position = {
            let mut positions = lock(&self.random);
            let position = &mut positions[usize::from(trusted)];
            std::mem::replace(position, *position + bytes.len() as u64)
        };
        random::fill(self.key, trusted, position, bytes);
    }

    /// What an operation on a CRDT column had seen of a cell when the mutation was made.
    ///
    /// The first optimistic run takes down what `make` returns, and is given it. Every later run, here and on the server,
    /// is given what the first one took down when it asked for this cell for the n-th time, n counting the questions of
    /// its own; none when there is nothing: then the operation goes by what it finds. On the server it is the client's
    /// word: it may narrow or place an operation that the mutator makes itself, and never adds one.
    ///
    /// It is an answer that the run is given, so it counts in the digest of what the run was told: runs that were given
    /// different ones are not compared.
    ///
    /// ```
    /// use plasma_runtime::mutate::{Location, Reason, TxMeta};
    /// use serde_json::json;
    ///
    /// let key = uuid::Uuid::nil();
    /// let first = TxMeta::new(Location::Client, Reason::Optimistic, key, 0);
    /// assert_eq!(first.observe("notes", "n1", "tags", || json!(["a:1"])), Some(json!(["a:1"])));
    /// // A run that was told of nothing goes by what it finds.
    /// let other = TxMeta::new(Location::Server, Reason::Authoritative, key, 0);
    /// assert_eq!(other.observe("notes", "n1", "tags", || json!([])), None);
    /// ```
    pub fn observe(
        &self,
        table: &'static str,
        row: &str,
        column: &'static str,
        make: impl FnOnce() -> serde_json::Value,
    ) -> Option<serde_json::Value> {
        let value = match self.reason {
            Reason::Optimistic => {
                let value = make();
                lock(&self.observed).record(table, row, column, value.clone());
                Some(value)
            }
            Reason::Rebase | Reason::Authoritative => lock(&self.observed).next(table, row, column),
        };
        if let Some(value) = &value {
            self.note(|record| record.told("observed", &value.to_string()));
        }
        value
    }

    /// The run is told what the first run of the mutation saw.
    pub(crate) fn saw(&mut self, observed: Observed) {
        *self.observed.get_mut().unwrap_or_else(PoisonError::into_inner) = observed;
    }

    /// What this run saw, or was told that the first one saw, as the member `observed`; none when there is nothing.
    pub(crate) fn observed(&self) -> Option<String> {
        lock(&self.observed).to_json()
    }

    /// How many additions this run has made to a set before this one. Trusted ones are counted apart: those only the
    /// server makes.
    pub(crate) fn next_addition(&self, trusted: bool, table: &'static str, row: &str, column: &'static str) -> u64 {
        let mut added = lock(&self.added);
        let count = added.entry((trusted, table, row.to_owned(), column)).or_default();
        std::mem::replace(count, *count + 1)
    }

    /// The same run once more, from its beginning: it draws the same ids and bytes. A record has to be begun again.
    pub(crate) fn restart(&self) {
        lock(&self.drawn).clear();
        *lock(&self.random) = [0; 2];
        lock(&self.observed).restart();
        lock(&self.added).clear();
        *lock(&self.record) = None;
        self.set_in_flight(false);
    }

    /// From now on, what this run is told and writes is taken down.
    pub(crate) fn begin_record(&self, schema: &SchemaDef, mutator: &str) {
        *lock(&self.record) = Some(Record::new(schema, mutator));
    }

    /// The digests of what was taken down; none when nothing was to be. Ends the record.
    pub(crate) fn effects(&self) -> Option<Effects> {
        lock(&self.record).take().map(Record::finish)
    }

    /// Adds to the record, if there is one.
    pub(super) fn note(&self, note: impl FnOnce(&mut Record)) {
        if let Some(record) = lock(&self.record).as_mut() {
            note(record);
        }
    }

    pub(super) fn in_flight(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn set_in_flight(&self, in_flight: bool) {
        self.in_flight.store(in_flight, Ordering::Relaxed);
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

/// Nothing panics while it holds one of these; if it did, what is behind it would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
