//! The seam of key encapsulation.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind};
use crate::future::{MaybeSend, MaybeSync};
use crate::inputs::Entropy;

/// A key encapsulation mechanism that joins a post-quantum one and a classic one, so that both must be broken.
/// [`XWing`](super::XWing) is the library's.
pub trait PqHybridProvider: MaybeSend + MaybeSync {
    /// Its name, which stands in every envelope it makes: 1 to 64 printable ASCII characters without space.
    fn name(&self) -> &'static str;

    /// A new shared secret, and the ciphertext that carries it to the holder of the secret key.
    ///
    /// # Errors
    /// [`InvalidPublicKey`](PqError::InvalidPublicKey).
    fn encapsulate(&self, public: &PublicKey, entropy: &mut dyn Entropy) -> Result<Encapsulated, PqError>;

    /// The shared secret that a ciphertext carries. A ciphertext that was altered may give another secret rather than an
    /// error (implicit rejection).
    ///
    /// # Errors
    /// [`InvalidSecretKey`](PqError::InvalidSecretKey), and [`Tampered`](PqError::Tampered) for a ciphertext that none
    /// could have made.
    fn decapsulate(&self, secret: &SecretKey, ciphertext: &[u8]) -> Result<SharedSecret, PqError>;
}

/// What encapsulation gives.
#[derive(Debug)]
pub struct Encapsulated {
    /// For the recipient; no secret.
    pub ciphertext: Vec<u8>,
    /// What both sides then share.
    pub shared_secret: SharedSecret,
}

/// 32 secret bytes that two sides share. Overwritten when dropped; not shown in `Debug`.
pub struct SharedSecret(pub(in crate::crypto) Zeroizing<[u8; 32]>);

impl SharedSecret {
    /// The secret with these bytes, for providers.
    pub fn new(bytes: [u8; 32]) -> Self {
        SharedSecret(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// What a recipient publishes: bytes that the provider understands. In JSON padded standard base64.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    /// The key with these bytes. Whether they are one is seen when it is used.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        PublicKey(bytes.into())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", STANDARD.encode(&self.0))
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.as_bytes());
        bytes.map(PublicKey).map_err(|_| serde::de::Error::custom("expected a public key in base64"))
    }
}

/// What a recipient keeps. Overwritten when dropped; not shown in `Debug`, and not in JSON either.
pub struct SecretKey(Zeroizing<Vec<u8>>);

impl SecretKey {
    /// The key with these bytes.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        SecretKey(Zeroizing::new(bytes.into()))
    }

    /// Its bytes, to hand them to a key store.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// Why a data key was not wrapped or unwrapped. The texts say the same for every key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PqError {
    /// Not a public key of the provider.
    #[error("not a public key of this key encapsulation")]
    InvalidPublicKey,
    /// Not a secret key of the provider.
    #[error("not a secret key of this key encapsulation")]
    InvalidSecretKey,
    /// The envelope was made by another provider: it is not opened as something weaker or other than what is asked for.
    #[error("a data key is wrapped by another key encapsulation than the one that is asked for")]
    WrongKem,
    /// It is not what was wrapped for the holder of this secret key, or not under this id.
    #[error("a wrapped data key is not what was wrapped for this recipient")]
    Tampered,
}

/// Kind [`Encryption`](ErrorKind::Encryption).
impl From<PqError> for Error {
    fn from(error: PqError) -> Error {
        Error::new(ErrorKind::Encryption, error.to_string()).with_source(error)
    }
}
