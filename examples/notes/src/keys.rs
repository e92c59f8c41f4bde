//! The keys of a circle, in a file that each of its devices has and the server never sees.
//!
//! A real program keeps them in the operating system's key store, and hands them to new devices wrapped for their public
//! keys (`plasma::crypto::keyring::wrap_for`, feature `pq`). Here a file is copied.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use plasma::BlindIndex;
use plasma::crypto::{Dek, KeyId, Keyring as _, Keys};
use plasma::inputs::OsEntropy;
use serde::{Deserialize, Serialize};

use crate::app::Tag;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What is in the file: keys as hexadecimal digits.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// New texts are sealed with this one.
    current: KeyId,
    keys: BTreeMap<KeyId, String>,
    /// What tags are hashed with. It stays when the others change: with another one no tag would be found any more.
    tags: String,
}

/// The keys of a circle.
#[derive(Debug, Clone)]
pub struct CircleKeys {
    /// What the client seals and opens with. All clones are the same.
    pub ring: Arc<Keys>,
    tags: Dek,
}

impl CircleKeys {
    /// One new key, called `key-1`.
    ///
    /// # Errors
    /// None: the id is one.
    pub fn generate() -> Result<Self, Failure> {
        let ring = Arc::new(Keys::new(KeyId::new("key-1")?, Dek::generate(&mut OsEntropy)));
        Ok(CircleKeys { ring, tags: Dek::generate(&mut OsEntropy) })
    }

    /// The keys in a file; new ones when there is no file.
    ///
    /// # Errors
    /// When it cannot be read or is no file of keys.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        if !path.exists() {
            let keys = Self::generate()?;
            keys.save(path)?;
            return Ok(keys);
        }
        let kept: Kept = serde_json::from_slice(&std::fs::read(path)?)
            .map_err(|_| format!("{} is no file of keys", path.display()))?;
        let dek = |digits: &String| bytes(digits).map(Dek::from_bytes).ok_or("a key is 64 hexadecimal digits");
        let first = kept.keys.get(&kept.current).ok_or("the current key is not among the keys")?;
        let ring = Keys::new(kept.current.clone(), dek(first)?);
        for (id, key) in kept.keys.iter().filter(|(id, _)| **id != kept.current) {
            ring.insert(id.clone(), dek(key)?)?;
        }
        Ok(CircleKeys { ring: Arc::new(ring), tags: dek(&kept.tags)? })
    }

    /// Writes them to a file that only its owner reads.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Failure> {
        let digits = |key: &Dek| key.expose().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let held = |id: KeyId| self.ring.key(&id).map(|key| (id, digits(&key)));
        let keys = self.ring.ids().into_iter().filter_map(held).collect();
        let json = serde_json::to_vec_pretty(&Kept { current: self.current()?, keys, tags: digits(&self.tags) })?;
        let mut options = std::fs::OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.write(true).create(true).truncate(true).open(path)?;
        std::io::Write::write_all(&mut file, &json)?;
        Ok(())
    }

    /// The key that new texts are sealed with.
    ///
    /// # Errors
    /// None: there is always one.
    pub fn current(&self) -> Result<KeyId, Failure> {
        let anywhere = plasma::crypto::SealScope { table: "notes", column: "body", row: "" };
        self.ring.current(anywhere).ok_or_else(|| "there is no current key".into())
    }

    /// Makes a new key, and seals with it from now on. Returns the key before it and the new one.
    ///
    /// # Errors
    /// None: the id is new.
    pub fn renew(&self) -> Result<(KeyId, KeyId), Failure> {
        let old = self.current()?;
        let number =
            self.ring.ids().iter().filter_map(|id| id.as_str().strip_prefix("key-")?.parse::<u64>().ok()).max();
        let new = KeyId::new(&format!("key-{}", number.unwrap_or(0) + 1))?;
        self.ring.insert(new.clone(), Dek::generate(&mut OsEntropy))?;
        self.ring.make_current(&new)?;
        Ok((old, new))
    }

    /// The keyed hash of a tag on notes, and of the tag's own row: one and the same, so that each finds the other.
    pub fn label(&self, tag: &str) -> BlindIndex {
        BlindIndex::of(&self.tags, Tag::label, tag)
    }
}

fn bytes(digits: &str) -> Option<[u8; 32]> {
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes?.try_into().ok()
}
