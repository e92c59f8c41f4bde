//! The key of a store's sealed cells.
//!
//! A cell is the format's version (1 byte), the nonce (12) and the ciphertext with its tag (16). It does not name its
//! key, as one key seals all of a store; the key's id is part of what is authenticated.

#[cfg(feature = "encryption")]
pub use enabled::AtRestCipher;

#[cfg(feature = "encryption")]
mod enabled {
    use std::fmt;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use crate::crypto::{Dek, KeyId, NonceLedger, Nonces, OpenError, Purpose, SealScope, open_with_key, seal_with_key};
    use crate::error::{Error, ErrorKind, Result};
    use crate::inputs::Entropy;
    use crate::store::cells::{Cells, Place, does_not_open};
    use crate::value::Envelope;

    /// The first byte of a cell.
    const VERSION: u8 = 1;
    const NONCE: usize = 12;

    /// The place of the value that tells whether a key is the store's.
    const CHECK: Place<'_> = Place { table: "_plasma_meta", column: "value", row: "at_rest" };
    const CHECKED: &[u8] = b"plasma";

    /// What seals the columns of a client's file that are [`AtRest`](crate::schema::AtRest): a key, and random bytes for
    /// nonces. For `EngineOptions::encryption`, one for each time a store is opened.
    pub struct AtRestCipher {
        keys: RwLock<Keys>,
        drawing: Mutex<Drawing>,
        on: AtomicBool,
    }

    struct Keys {
        current: Key,
        /// The key to which the store is changing: it seals, and opens what it has sealed.
        next: Option<Key>,
        /// The key before: reads that began before a change still see its cells.
        previous: Option<Key>,
    }

    struct Key {
        dek: Dek,
        id: KeyId,
    }

    /// Where nonces come from. Only who writes the store gets here.
    struct Drawing {
        nonces: Nonces,
        entropy: Box<dyn Entropy + Send>,
        count: Count,
    }

    /// How much a key has sealed.
    #[derive(Default)]
    struct Count {
        /// As the store has it.
        stored: u64,
        /// What a commit has to add.
        pending: u64,
        /// Something was sealed since the last commit.
        sealed: bool,
    }

    impl NonceLedger for Count {
        fn reserve(&mut self, _: &KeyId, count: u64) -> Result<u64> {
            self.pending = self.pending.saturating_add(count);
            Ok(self.stored.saturating_add(self.pending))
        }
    }

    impl AtRestCipher {
        /// The key of a store, under a name that is stored with it.
        pub fn new(dek: Dek, key_id: KeyId, entropy: impl Entropy + Send + 'static) -> Self {
            AtRestCipher {
                keys: RwLock::new(Keys { current: Key { dek, id: key_id }, next: None, previous: None }),
                drawing: Mutex::new(Drawing {
                    nonces: Nonces::new(),
                    entropy: Box::new(entropy),
                    count: Count::default(),
                }),
                on: AtomicBool::new(false),
            }
        }

        pub(crate) fn turn(&self, on: bool) {
            self.on.store(on, Ordering::Release);
        }

        /// Goes on from the count of the store.
        pub(crate) fn begin_count(&self, stored: u64) {
            self.drawing().count.stored = stored;
        }

        /// A value that only this key opens.
        pub(crate) fn check_value(&self) -> Result<String> {
            Ok(STANDARD.encode(self.seal(CHECK, CHECKED)?))
        }

        /// Refuses to be the key of a store that was sealed with another.
        pub(crate) fn check(&self, key_id: &str, value: &str) -> Result<()> {
            let got = Cells::key_id(self);
            let data = serde_json::json!({ "expected": key_id, "got": got });
            let wrong = |message| Err(Error::new(ErrorKind::Config, message).with_data(data));
            if got != key_id {
                return wrong(format!("the store is encrypted with the key `{key_id}`, not with `{got}`"));
            }
            let opened = STANDARD.decode(value).ok().and_then(|sealed| self.open(CHECK, &sealed).ok());
            match opened.as_deref() {
                Some(CHECKED) => Ok(()),
                _ => wrong(format!("the key given as `{got}` is not the one that the store is encrypted with")),
            }
        }

        /// Seals with another key from now on, and still opens what this one has sealed.
        pub(crate) fn begin_change(&self, dek: Dek, id: KeyId) -> Result<()> {
            let mut keys = self.keys_mut();
            if keys.current.id == id {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("the store is encrypted with the key `{}` already: a new key has a new id", id.as_str()),
                ));
            }
            keys.next = Some(Key { dek, id });
            let mut drawing = self.drawing();
            (drawing.count, drawing.nonces) = (Count::default(), Nonces::new());
            Ok(())
        }

        /// The store was changed to the other key, or was not. `stored` is the count of the key that stays.
        pub(crate) fn end_change(&self, changed: bool, stored: u64) {
            let mut keys = self.keys_mut();
            if let Some(next) = keys.next.take().filter(|_| changed) {
                keys.previous = Some(std::mem::replace(&mut keys.current, next));
            }
            let mut drawing = self.drawing();
            (drawing.count, drawing.nonces) = (Count { stored, ..Count::default() }, Nonces::new());
        }

        fn keys(&self) -> RwLockReadGuard<'_, Keys> {
            self.keys.read().unwrap_or_else(PoisonError::into_inner)
        }

        fn keys_mut(&self) -> RwLockWriteGuard<'_, Keys> {
            self.keys.write().unwrap_or_else(PoisonError::into_inner)
        }

        fn drawing(&self) -> MutexGuard<'_, Drawing> {
            self.drawing.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl fmt::Debug for AtRestCipher {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("AtRestCipher").field("key_id", &Cells::key_id(self)).finish_non_exhaustive()
        }
    }

    fn scope(place: Place<'_>) -> SealScope<'_> {
        SealScope { table: place.table, column: place.column, row: place.row }
    }

    impl Cells for AtRestCipher {
        fn is_on(&self) -> bool {
            self.on.load(Ordering::Acquire)
        }

        fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>> {
            let keys = self.keys();
            let key = keys.next.as_ref().unwrap_or(&keys.current);
            let nonce = {
                let mut drawing = self.drawing();
                let Drawing { nonces, entropy, count } = &mut *drawing;
                count.sealed = true;
                nonces.next(&key.id, count, &mut **entropy)?
            };
            let envelope = seal_with_key(Purpose::AtRest, &key.dek, &key.id, scope(place), plain, nonce)?;
            let mut cell = Vec::with_capacity(1 + NONCE + envelope.ciphertext.len());
            cell.push(VERSION);
            cell.extend_from_slice(&envelope.nonce);
            cell.extend_from_slice(&envelope.ciphertext);
            Ok(cell)
        }

        fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>> {
            let (nonce, ciphertext) = sealed
                .strip_prefix(&[VERSION])
                .and_then(|sealed| sealed.split_first_chunk::<NONCE>())
                .ok_or_else(|| does_not_open(place))?;
            let keys = self.keys();
            let (nonce, mut ciphertext) = (*nonce, Some(ciphertext.to_vec()));
            let mut failed = OpenError::Tampered;
            for key in [Some(&keys.current), keys.next.as_ref(), keys.previous.as_ref()].into_iter().flatten() {
                let Some(bytes) = ciphertext.take() else { break };
                let envelope = Envelope { key_id: key.id.clone(), nonce, ciphertext: bytes };
                match open_with_key(Purpose::AtRest, &key.dek, scope(place), &envelope) {
                    Ok(plain) => return Ok(plain),
                    Err(error) => failed = error,
                }
                ciphertext = Some(envelope.ciphertext);
            }
            Err(does_not_open(place).with_source(failed))
        }

        /// During a change it is the next key's.
        fn key_id(&self) -> String {
            let keys = self.keys();
            keys.next.as_ref().unwrap_or(&keys.current).id.as_str().to_owned()
        }

        fn to_be_counted(&self) -> Option<u64> {
            let mut drawing = self.drawing();
            if !std::mem::take(&mut drawing.count.sealed) {
                return None;
            }
            let more = std::mem::take(&mut drawing.count.pending);
            drawing.count.stored = drawing.count.stored.saturating_add(more);
            Some(more)
        }
    }
}

/// Without the feature `encryption` there is none.
#[cfg(not(feature = "encryption"))]
#[derive(Debug)]
pub enum AtRestCipher {}

#[cfg(not(feature = "encryption"))]
mod disabled {
    use super::AtRestCipher;
    use crate::error::Result;
    use crate::store::cells::{Cells, Place};

    impl AtRestCipher {
        pub(crate) fn turn(&self, _: bool) {
            match *self {}
        }
        pub(crate) fn begin_count(&self, _: u64) {
            match *self {}
        }
        pub(crate) fn check_value(&self) -> Result<String> {
            match *self {}
        }
        pub(crate) fn check(&self, _: &str, _: &str) -> Result<()> {
            match *self {}
        }
    }

    impl Cells for AtRestCipher {
        fn is_on(&self) -> bool {
            match *self {}
        }
        fn seal(&self, _: Place<'_>, _: &[u8]) -> Result<Vec<u8>> {
            match *self {}
        }
        fn open(&self, _: Place<'_>, _: &[u8]) -> Result<Vec<u8>> {
            match *self {}
        }
        fn key_id(&self) -> String {
            match *self {}
        }
        fn to_be_counted(&self) -> Option<u64> {
            match *self {}
        }
    }
}
