//! Data keys.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aes_gcm::{Aes256Gcm, KeyInit as _};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Purpose;
use crate::inputs::Entropy;

/// A data key: 32 bytes that open and seal values. It is overwritten in memory when its last clone is dropped, cannot be
/// compared, and shows nothing of itself in `Debug`.
///
/// Clones share the bytes and the keys derived from them: keep the `Dek`, rather than to make it anew for each value.
///
/// ```
/// use plasma_runtime::crypto::Dek;
/// use plasma_runtime::inputs::OsEntropy;
///
/// let key = Dek::generate(&mut OsEntropy);
/// assert_eq!(format!("{key:?}"), "Dek(..)");
/// // To keep it, in the operating system's key store for example:
/// let again = Dek::from_bytes(*key.expose());
/// # let _ = again;
/// ```
#[derive(Clone)]
pub struct Dek(Arc<Secret>);

struct Secret {
    bytes: Zeroizing<[u8; 32]>,
    /// The ciphers of the purposes, made at their first use. They overwrite their round keys themselves.
    ciphers: [OnceLock<Aes256Gcm>; Purpose::COUNT],
}

impl Dek {
    /// A new random key.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self::fill(|bytes| entropy.fill(bytes))
    }

    /// The key with these bytes, which should be random. The caller's copy is the caller's to overwrite.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self::fill(|place| place.copy_from_slice(&*bytes))
    }

    /// Its bytes, to hand them to a key store.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0.bytes
    }

    /// Written where they stay: a value that is moved leaves its bytes behind.
    fn fill(write: impl FnOnce(&mut [u8; 32])) -> Self {
        let mut secret = Arc::new(Secret { bytes: Zeroizing::new([0; 32]), ciphers: Default::default() });
        write(&mut Arc::get_mut(&mut secret).expect("nobody else has it yet").bytes);
        Dek(secret)
    }

    /// HKDF-SHA256 of the key, for this use. The parts are joined as they are.
    pub(super) fn derive(&self, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut derived = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &*self.0.bytes)
            .expand_multi_info(info, &mut *derived)
            .expect("32 bytes are one block of SHA-256");
        derived
    }

    /// The cipher of a purpose.
    pub(super) fn cipher(&self, purpose: Purpose) -> &Aes256Gcm {
        self.0.ciphers[purpose as usize]
            .get_or_init(|| Aes256Gcm::new((&*self.derive(&[purpose.context().as_bytes()])).into()))
    }
}

impl fmt::Debug for Dek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dek(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{KeyId, Keyring as _, Keys};

    #[test]
    fn a_key_can_overwrite_itself() {
        fn overwrites<T: zeroize::ZeroizeOnDrop>() {}
        overwrites::<Zeroizing<[u8; 32]>>();
        overwrites::<Aes256Gcm>();
    }

    /// A part of the own process's memory. Reading it allocates nothing, or what was just freed would be used again.
    #[cfg(target_os = "linux")]
    struct Memory {
        file: std::fs::File,
        address: usize,
        bytes: Vec<u8>,
    }

    #[cfg(target_os = "linux")]
    impl Memory {
        /// What stands there; nothing where it is no longer mapped.
        fn read(&mut self) -> &[u8] {
            use std::os::unix::fs::FileExt as _;
            if self.file.read_exact_at(&mut self.bytes, self.address as u64).is_err() {
                self.bytes.fill(0);
            }
            &self.bytes
        }
    }

    /// The key and the keys derived from it are gone from memory with the last clone, and not before.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_dropped_key_is_overwritten() {
        let key = Dek::from_bytes(std::array::from_fn(|n| 0xc0 ^ (n as u8).wrapping_mul(7)));
        key.cipher(Purpose::Sealed);
        key.cipher(Purpose::AtRest);
        let id = KeyId::new("k").unwrap();
        let keys = Keys::new(id.clone(), key.clone());
        let mut memory = Memory {
            file: std::fs::File::open("/proc/self/mem").expect("a process may read its own memory"),
            address: Arc::as_ptr(&key.0) as usize,
            bytes: vec![0; size_of::<Secret>()],
        };
        let before = memory.read().to_vec();
        drop(key);
        assert_eq!(memory.read(), before);
        drop(keys.key(&id));
        assert_eq!(memory.read(), before);
        drop(keys);
        let after = memory.read().to_vec();
        // Sixteen bytes of which nine differ are no pointer, no flag and no padding, but a part of a key.
        let (mut secrets, mut left) = (0, Vec::new());
        for (at, chunk) in before.chunks_exact(16).enumerate() {
            if chunk.iter().collect::<std::collections::BTreeSet<_>>().len() >= 9 {
                secrets += 1;
                if after[at * 16..at * 16 + 16] == *chunk {
                    left.push(at);
                }
            }
        }
        // 2 chunks of the key; of each cipher at least the 15 round keys of one direction.
        assert!(secrets >= 2 + 2 * 14, "{secrets}");
        assert!(left.is_empty(), "of {secrets} chunks these are left: {left:?}");
    }
}
