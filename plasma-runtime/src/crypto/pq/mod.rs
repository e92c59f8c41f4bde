//! Data keys wrapped for recipients by a post-quantum hybrid. Feature `pq`.
//!
//! **Unaudited.** The crates below (`x-wing`, `ml-kem`, `x25519-dalek` 3) say of themselves that nobody independent has
//! audited them in these versions, and X-Wing is an Internet-Draft (`draft-connolly-cfrg-xwing-kem`), not yet an RFC. As a
//! hybrid it is meant to hold while either ML-KEM-768 or X25519 does.
//!
//! A data key reaches another user so: the recipient publishes a [`PublicKey`]; who has the data key calls
//! [`wrap_for`] and stores the [`PqEnvelope`](crate::value::PqEnvelope) where the recipient finds it; the recipient calls
//! [`unwrap_key`]. Who published the public key is for the application to make sure of: a server that may exchange it can
//! read along.
//!
//! # How a key is wrapped
//! The provider encapsulates a shared secret for the public key. HKDF-SHA256 of it, without salt, its info being
//! `plasma key wrap 1` and then, each preceded by its length as 4 bytes, the version (1, as 4 bytes), the provider's name,
//! the id of the data key and the SHA-256 of the KEM ciphertext, is the key that encrypts the data key: AES-256-GCM, a
//! random nonce, and the same four fields as associated data. Values are never encrypted with the shared secret.
//!
//! ```
//! use plasma_runtime::crypto::pq::{XWing, unwrap_key, wrap_for};
//! use plasma_runtime::crypto::{Dek, KeyId};
//! use plasma_runtime::inputs::OsEntropy;
//!
//! let (secret, public) = XWing::generate(&mut OsEntropy);
//! let (id, key) = (KeyId::new("team-7")?, Dek::generate(&mut OsEntropy));
//! let wrapped = wrap_for(&public, &id, &key, &mut OsEntropy)?;
//! assert_eq!(unwrap_key(&secret, &wrapped)?.expose(), key.expose());
//! # Ok::<(), plasma_runtime::Error>(())
//! ```

#[cfg(feature = "insecure-pq-placeholder")]
mod placeholder;
mod provider;
mod wrap;
mod x_wing;

#[cfg(feature = "insecure-pq-placeholder")]
pub use placeholder::{AcceptInsecure, InsecurePlaceholder, insecure_placeholder_provider};
pub use provider::{Encapsulated, PqError, PqHybridProvider, PublicKey, SecretKey, SharedSecret};
pub use wrap::{unwrap_key, unwrap_with, wrap_for, wrap_with};
pub use x_wing::XWing;
