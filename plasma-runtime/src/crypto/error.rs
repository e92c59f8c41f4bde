//! Why a value was not sealed or not opened. The texts say the same for every value and key.

use super::KeyId;
use crate::error::{Error, ErrorKind};

/// Why an encrypted value was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The keyring does not hold this key: it was not given to this user, or not yet.
    #[error("the key of an encrypted value is not in the keyring")]
    NoKey(KeyId),
    /// It is not what was sealed with this key for this table, row and column. Which of them differs cannot be told.
    #[error("an encrypted value is not what was sealed here")]
    Tampered,
    /// It opened, and is no value of the column's type: perhaps one of a newer version of the application.
    #[error("an encrypted value is not of its column's type")]
    Decode,
}

/// Why a value was not sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The keyring names no key for the column: nothing is ever stored in clear instead.
    #[error("no key is current for an encrypted column")]
    NoCurrentKey,
    /// The keyring does not hold this key.
    #[error("the key to seal a value with is not in the keyring")]
    NoKey(KeyId),
    /// This store sealed as many values with this key as it may ([`NONCE_LIMIT`](super::NONCE_LIMIT)): another key has to
    /// become current.
    #[error("the key has sealed as many values as it may; make another one current")]
    KeyUsedUp(KeyId),
    /// AES-GCM takes at most 64 GiB.
    #[error("the value is too large to be sealed")]
    TooLarge,
    /// The count of values sealed could not be kept.
    #[error("the count of sealed values could not be stored")]
    Ledger(#[source] Error),
}

/// Kind [`Encryption`](ErrorKind::Encryption).
impl From<OpenError> for Error {
    fn from(error: OpenError) -> Error {
        Error::new(ErrorKind::Encryption, error.to_string()).with_source(error)
    }
}

/// Kind [`Encryption`](ErrorKind::Encryption); the ledger's own error stays what it is.
impl From<SealError> for Error {
    fn from(error: SealError) -> Error {
        match error {
            SealError::Ledger(error) => error,
            error => Error::new(ErrorKind::Encryption, error.to_string()).with_source(error),
        }
    }
}
