//! A stand-in that protects nothing. Feature `insecure-pq-placeholder`.

use sha2::{Digest as _, Sha256};

use super::{Encapsulated, PqError, PqHybridProvider, PublicKey, SecretKey, SharedSecret};
use crate::inputs::Entropy;

/// That the caller knows what they ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptInsecure {
    /// Whoever sees an envelope of the stand-in and the recipient's public key can unwrap the data key.
    YesItProtectsNothing,
}

/// **Protects nothing**: the shared secret is a hash of the public key and the ciphertext. For tests of programs in which the
/// real hybrid would be slow, and of how they treat another provider. Made by [`insecure_placeholder_provider`].
#[derive(Debug)]
pub struct InsecurePlaceholder(());

/// The stand-in, behind a feature *and* this argument. Its envelopes name `INSECURE-PLACEHOLDER`, and no other provider opens
/// them. Any bytes are a secret key, and the public key is the same bytes.
pub fn insecure_placeholder_provider(accept: AcceptInsecure) -> InsecurePlaceholder {
    match accept {
        AcceptInsecure::YesItProtectsNothing => InsecurePlaceholder(()),
    }
}

fn hash(key: &[u8], ciphertext: &[u8]) -> SharedSecret {
    SharedSecret::new(Sha256::new().chain_update(key).chain_update(ciphertext).finalize().into())
}

impl PqHybridProvider for InsecurePlaceholder {
    fn name(&self) -> &'static str {
        "INSECURE-PLACEHOLDER"
    }

    fn encapsulate(&self, public: &PublicKey, entropy: &mut dyn Entropy) -> Result<Encapsulated, PqError> {
        let mut ciphertext = vec![0; crate::value::pq_envelope::X_WING_CIPHERTEXT];
        entropy.fill(&mut ciphertext);
        let shared_secret = hash(public.as_bytes(), &ciphertext);
        Ok(Encapsulated { ciphertext, shared_secret })
    }

    fn decapsulate(&self, secret: &SecretKey, ciphertext: &[u8]) -> Result<SharedSecret, PqError> {
        Ok(hash(secret.expose(), ciphertext))
    }
}
