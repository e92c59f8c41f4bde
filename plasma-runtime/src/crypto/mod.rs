//! Keys, and the sealing and opening of encrypted values. Feature `encryption`.
//!
//! A data key ([`Dek`]) is 32 bytes that the application keeps and shares as it sees fit; the library never stores it. A
//! [`Keyring`] hands data keys out by their id ([`KeyId`]); [`Keys`] is a ready-made one.
//!
//! # How a value is sealed
//! - The plaintext is the value's JSON in the form of the wire.
//! - The key of a use is HKDF-SHA256 (RFC 5869) of the data key, without salt, for 32 bytes, its info being the use: `plasma
//!   sealed 1` for columns that only holders of the key can read, `plasma at rest 1` for what a client's file hides,
//!   `plasma blind index 1` and the column for a [`BlindIndex`]. So no key has two uses.
//! - The cipher is AES-256-GCM (NIST SP 800-38D) with a nonce of 96 random bits and a tag of 128 bits.
//! - The associated data are five fields, each preceded by its length as 4 bytes, most significant first: the version of
//!   this form (1, as 4 bytes), the table, the row's id, the column, the key's id. What was sealed for one place opens in
//!   no other.
//! - Table, row, column and use are known from where the value stands; the [`Envelope`] holds the
//!   key's id, the nonce, and the ciphertext followed by the tag.
//!
//! ```
//! use plasma_runtime::crypto::{Dek, KeyId, Keys, MemoryLedger, Nonces, Purpose, SealScope, Sealer, open};
//! use plasma_runtime::inputs::OsEntropy;
//!
//! let keys = Keys::new(KeyId::new("2026")?, Dek::generate(&mut OsEntropy));
//! let scope = SealScope { table: "notes", column: "body", row: "018f3c3e-0000-7000-8000-000000000001" };
//! let (mut nonces, mut ledger, mut entropy) = (Nonces::new(), MemoryLedger::default(), OsEntropy);
//! let mut sealer = Sealer { keyring: &keys, nonces: &mut nonces, ledger: &mut ledger, entropy: &mut entropy };
//! let envelope = sealer.seal(Purpose::Sealed, scope, br#""text""#)?;
//!
//! assert_eq!(open(Purpose::Sealed, &keys, scope, &envelope)?, br#""text""#);
//! // The same envelope in another row is not what was sealed there.
//! let elsewhere = SealScope { row: "018f3c3e-0000-7000-8000-000000000002", ..scope };
//! assert!(open(Purpose::Sealed, &keys, elsewhere, &envelope).is_err());
//! # Ok::<(), plasma_runtime::Error>(())
//! ```
//!
//! # What is not promised
//! `aes-gcm` was audited once, in an older version (NCC Group, 2020); `hkdf` and `sha2` are widely used and unaudited,
//! as are the crates under `pq`. Keys are overwritten in memory when their last owner is dropped, but what the
//! compiler copied, a swap file or a core dump may still hold them. The length of a ciphertext tells that of the value.

mod blind;
mod error;
mod key;
pub mod keyring;
mod nonce;
#[cfg(feature = "pq")]
pub mod pq;
mod seal;
mod sealed;
mod sealer;
#[cfg(test)]
mod tests;

pub use crate::value::{BlindIndex, Envelope, EnvelopeError, EnvelopeLimits, KeyId, PqEnvelope, is_pq_envelope};
pub use blind::BlindColumn;
pub use error::{OpenError, SealError};
pub use key::Dek;
pub use keyring::{Keyring, Keys};
pub use nonce::{MemoryLedger, NONCE_LIMIT, NONCE_WARNING, Nonce, NonceLedger, Nonces};
pub use seal::{Purpose, SealScope, open_with_key, seal_with_key};
pub use sealer::{Sealer, open};

/// Fields that cannot be mistaken for others: each preceded by its length as 4 bytes, most significant first.
fn length_prefixed(fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![0; fields.iter().map(|field| 4 + field.len()).sum()];
    write_length_prefixed(fields, &mut bytes).expect("they are given the place they take");
    bytes
}

/// The same into a place of the caller's: how many bytes they take, or nothing when they do not fit.
fn write_length_prefixed(fields: &[&[u8]], place: &mut [u8]) -> Option<usize> {
    let mut written = 0;
    for field in fields {
        let length = u32::try_from(field.len()).expect("names and ids are shorter than 4 GiB");
        for part in [&length.to_be_bytes()[..], field] {
            let end = written + part.len();
            place.get_mut(written..end)?.copy_from_slice(part);
            written = end;
        }
    }
    Some(written)
}
