//! Where data keys come from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use super::{Dek, KeyId, SealScope};
use crate::error::{Error, ErrorKind, Result};
use crate::future::{MaybeSend, MaybeSync};

#[cfg(feature = "pq")]
pub use super::pq::{unwrap_key, wrap_for};

/// Hands out data keys: one for everything, one per note, team or epoch, as the application likes. A client asks it
/// whenever it seals or opens a value, so it should answer from memory.
pub trait Keyring: MaybeSend + MaybeSync {
    /// The key with this id, if this user holds it.
    fn key(&self, id: &KeyId) -> Option<Dek>;

    /// The key that new values of this place are sealed with. `None` is an error for whoever seals: never clear text.
    fn current(&self, scope: SealScope<'_>) -> Option<KeyId>;
}

/// A keyring in memory: some keys, one of them current for every place. All who share it, in an `Arc`, see a key that is
/// added, made current or forgotten at once.
///
/// ```
/// use plasma_runtime::crypto::{Dek, KeyId, Keyring, Keys};
/// use plasma_runtime::inputs::OsEntropy;
///
/// let (old, new) = (KeyId::new("2025")?, KeyId::new("2026")?);
/// let keys = Keys::new(old.clone(), Dek::generate(&mut OsEntropy));
/// keys.insert(new.clone(), Dek::generate(&mut OsEntropy))?;
/// keys.make_current(&new)?;
/// // What the old key sealed can be read until it is forgotten.
/// assert!(keys.key(&old).is_some());
/// keys.forget(&old)?;
/// assert!(keys.key(&old).is_none());
/// # Ok::<(), plasma_runtime::Error>(())
/// ```
pub struct Keys(RwLock<Held>);

struct Held {
    keys: BTreeMap<KeyId, Dek>,
    current: KeyId,
}

impl Keys {
    /// One key, which is current.
    pub fn new(id: KeyId, key: Dek) -> Self {
        Keys(RwLock::new(Held { keys: BTreeMap::from([(id.clone(), key)]), current: id }))
    }

    /// Adds a key to open values with.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when a key with this id is held already: an id names one key for ever, or what the
    /// former sealed could not be opened any more.
    pub fn insert(&self, id: KeyId, key: Dek) -> Result<()> {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if held.keys.contains_key(&id) {
            return Err(Error::new(ErrorKind::Config, "the keyring holds a key with this id already"));
        }
        held.keys.insert(id, key);
        Ok(())
    }

    /// Seals new values with this key from now on.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when it is not held.
    pub fn make_current(&self, id: &KeyId) -> Result<()> {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !held.keys.contains_key(id) {
            return Err(Error::new(ErrorKind::Config, "the keyring does not hold the key that should be current"));
        }
        held.current = id.clone();
        Ok(())
    }

    /// Drops a key. Values that it sealed can then not be opened.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when it is the current one.
    pub fn forget(&self, id: &KeyId) -> Result<()> {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if held.current == *id {
            return Err(Error::new(ErrorKind::Config, "the current key of a keyring cannot be forgotten"));
        }
        held.keys.remove(id);
        Ok(())
    }

    /// The ids of all keys held, sorted.
    pub fn ids(&self) -> Vec<KeyId> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys.keys().cloned().collect()
    }
}

impl Keyring for Keys {
    fn key(&self, id: &KeyId) -> Option<Dek> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys.get(id).cloned()
    }

    fn current(&self, _: SealScope<'_>) -> Option<KeyId> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).current.clone())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Keys").field("keys", &held.keys).field("current", &held.current).finish()
    }
}
