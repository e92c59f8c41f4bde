//! Wrapping and unwrapping of data keys.

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{PqError, PqHybridProvider, PublicKey, SecretKey, SharedSecret, XWing};
use crate::crypto::{Dek, KeyId, length_prefixed};
use crate::inputs::Entropy;
use crate::value::PqEnvelope;
use crate::value::envelope::{NONCE, TAG};

/// What the derivation of a wrapping key begins with.
const CONTEXT: &[u8] = b"plasma key wrap 1";
/// The version of the form.
const VERSION: u32 = 1;

/// Wraps a data key for the holder of the secret key that belongs to `public`, with X-Wing.
///
/// # Errors
/// [`InvalidPublicKey`](PqError::InvalidPublicKey).
pub fn wrap_for(
    public: &PublicKey,
    key_id: &KeyId,
    key: &Dek,
    entropy: &mut dyn Entropy,
) -> Result<PqEnvelope, PqError> {
    wrap_with(&XWing, public, key_id, key, entropy)
}

/// Unwraps a data key that was wrapped with X-Wing. The envelope says which one it is ([`PqEnvelope::key_id`]), and that is
/// authenticated with it; who wrapped it is not.
///
/// # Errors
/// [`WrongKem`](PqError::WrongKem) for an envelope of another provider, [`Tampered`](PqError::Tampered) when it was not
/// wrapped for this key or not like this.
pub fn unwrap_key(secret: &SecretKey, envelope: &PqEnvelope) -> Result<Dek, PqError> {
    unwrap_with(&XWing, secret, envelope)
}

/// [`wrap_for`] with a provider of the application.
///
/// # Errors
/// Those of the provider.
pub fn wrap_with(
    provider: &dyn PqHybridProvider,
    public: &PublicKey,
    key_id: &KeyId,
    key: &Dek,
    entropy: &mut dyn Entropy,
) -> Result<PqEnvelope, PqError> {
    let encapsulated = provider.encapsulate(public, entropy)?;
    let fields = fields(provider.name(), key_id, &encapsulated.ciphertext);
    // The wrapping key is used once, so any nonce would do. A random one also holds if a provider repeats itself.
    let mut nonce = [0; NONCE];
    entropy.fill(&mut nonce);
    let mut ciphertext = [0; 32 + TAG];
    let (wrapped, place) = ciphertext.split_at_mut(32);
    wrapped.copy_from_slice(key.expose());
    let tag = cipher(&encapsulated.shared_secret, &fields)
        .encrypt_inout_detached((&nonce).into(), &fields, wrapped.into())
        .expect("32 bytes are not too long for AES-GCM");
    place.copy_from_slice(&tag);
    Ok(PqEnvelope {
        kem: provider.name().to_owned(),
        key_id: key_id.clone(),
        kem_ciphertext: encapsulated.ciphertext,
        nonce,
        ciphertext,
    })
}

/// [`unwrap_key`] with a provider of the application.
///
/// # Errors
/// [`WrongKem`](PqError::WrongKem), [`Tampered`](PqError::Tampered), and those of the provider.
pub fn unwrap_with(provider: &dyn PqHybridProvider, secret: &SecretKey, envelope: &PqEnvelope) -> Result<Dek, PqError> {
    if envelope.kem != provider.name() {
        return Err(PqError::WrongKem);
    }
    let shared = provider.decapsulate(secret, &envelope.kem_ciphertext)?;
    let fields = fields(&envelope.kem, &envelope.key_id, &envelope.kem_ciphertext);
    let (wrapped, tag) = envelope.ciphertext.split_last_chunk::<TAG>().ok_or(PqError::Tampered)?;
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(wrapped);
    cipher(&shared, &fields)
        .decrypt_inout_detached((&envelope.nonce).into(), &fields, key.as_mut_slice().into(), tag.into())
        .map_err(|_| PqError::Tampered)?;
    Ok(Dek::from_bytes(*key))
}

/// What a wrapped key is bound to, by the derivation and by the cipher.
fn fields(kem: &str, key_id: &KeyId, kem_ciphertext: &[u8]) -> Vec<u8> {
    length_prefixed(&[
        &VERSION.to_be_bytes(),
        kem.as_bytes(),
        key_id.as_str().as_bytes(),
        &Sha256::digest(kem_ciphertext),
    ])
}

fn cipher(shared: &SharedSecret, fields: &[u8]) -> Aes256Gcm {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, &*shared.0)
        .expand_multi_info(&[CONTEXT, fields], &mut *key)
        .expect("32 bytes are one block of SHA-256");
    Aes256Gcm::new((&*key).into())
}
