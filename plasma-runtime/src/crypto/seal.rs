//! One value, one key: the cipher itself.

use aes_gcm::aead::AeadInOut as _;

use super::{Dek, KeyId, Nonce, OpenError, SealError, length_prefixed, write_length_prefixed};
use crate::value::Envelope;
use crate::value::envelope::TAG;

/// The version of the form, which the associated data begin with.
const VERSION: u32 = 1;

/// What a value is encrypted for. Each has a key of its own, derived from the data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// End to end: only holders of the key read it, and the server is none.
    Sealed,
    /// In the client's file: the server and the wire have it in clear.
    AtRest,
}

impl Purpose {
    pub(super) const COUNT: usize = 2;

    pub(super) fn context(self) -> &'static str {
        match self {
            Purpose::Sealed => "plasma sealed 1",
            Purpose::AtRest => "plasma at rest 1",
        }
    }
}

/// The place of an encrypted value. It is authenticated with the value: what was sealed for one place opens in no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SealScope<'a> {
    /// The table's SQL name.
    pub table: &'a str,
    /// The column's SQL name.
    pub column: &'a str,
    /// The id of the row: lower-case hyphenated UUID text.
    pub row: &'a str,
}

/// Works with the associated data of a value in this place: on the stack, where they fit.
fn with_associated_data<R>(scope: SealScope<'_>, key_id: &KeyId, work: impl FnOnce(&[u8]) -> R) -> R {
    let fields = [
        &VERSION.to_be_bytes(),
        scope.table.as_bytes(),
        scope.row.as_bytes(),
        scope.column.as_bytes(),
        key_id.as_str().as_bytes(),
    ];
    let mut bytes = [0; 192];
    match write_length_prefixed(&fields, &mut bytes) {
        Some(written) => work(&bytes[..written]),
        None => work(&length_prefixed(&fields)),
    }
}

/// Seals with a given key and nonce, as the [module](super) says. `nonce` must have been drawn for `key_id`, whose key
/// `key` is; [`Sealer`](super::Sealer) sees to it.
///
/// # Errors
/// [`TooLarge`](SealError::TooLarge) above 64 GiB.
pub fn seal_with_key(
    purpose: Purpose,
    key: &Dek,
    key_id: &KeyId,
    scope: SealScope<'_>,
    plaintext: &[u8],
    nonce: Nonce,
) -> Result<Envelope, SealError> {
    let mut ciphertext = Vec::with_capacity(plaintext.len() + TAG);
    ciphertext.extend_from_slice(plaintext);
    let tag = with_associated_data(scope, key_id, |place| {
        key.cipher(purpose).encrypt_inout_detached((&nonce.0).into(), place, ciphertext.as_mut_slice().into())
    })
    .map_err(|_| SealError::TooLarge)?;
    ciphertext.extend_from_slice(&tag);
    Ok(Envelope { key_id: key_id.clone(), nonce: nonce.0, ciphertext })
}

/// Opens with a given key: the plaintext that was sealed with it for this purpose and place.
///
/// # Errors
/// [`Tampered`](OpenError::Tampered), whatever differs.
pub fn open_with_key(
    purpose: Purpose,
    key: &Dek,
    scope: SealScope<'_>,
    envelope: &Envelope,
) -> Result<Vec<u8>, OpenError> {
    let (ciphertext, tag) = envelope.ciphertext.split_last_chunk::<TAG>().ok_or(OpenError::Tampered)?;
    let mut plaintext = ciphertext.to_vec();
    with_associated_data(scope, &envelope.key_id, |place| {
        let text = plaintext.as_mut_slice().into();
        key.cipher(purpose).decrypt_inout_detached((&envelope.nonce).into(), place, text, tag.into())
    })
    .map_err(|_| OpenError::Tampered)?;
    Ok(plaintext)
}
