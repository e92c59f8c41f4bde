//! X-Wing: ML-KEM-768 and X25519.

use std::convert::Infallible;

use x_wing::kem::common::rand_core::{TryCryptoRng, TryRng, utils};
use x_wing::{DecapsulationKeyRejectNonContrib, EncapsulationKey};
use x_wing::{Decapsulator as _, Encapsulate as _, KeyExport as _, TryDecapsulate as _};
use zeroize::{Zeroize as _, Zeroizing};

use super::{Encapsulated, PqError, PqHybridProvider, PublicKey, SecretKey, SharedSecret};
use crate::inputs::Entropy;
use crate::value::pq_envelope::X_WING;

/// X-Wing (`draft-connolly-cfrg-xwing-kem`): a public key of 1216 bytes, a secret key of 32, a ciphertext of 1120. A
/// ciphertext whose X25519 part gives the zero secret is refused. **Unaudited**; see the [module](super).
#[derive(Debug, Clone, Copy, Default)]
pub struct XWing;

impl XWing {
    /// A new pair of keys.
    pub fn generate(entropy: &mut dyn Entropy) -> (SecretKey, PublicKey) {
        let mut seed = Zeroizing::new([0; 32]);
        entropy.fill(&mut *seed);
        let secret = SecretKey::from_bytes(seed.to_vec());
        let public = PublicKey::from_bytes(key(&secret).expect("32 bytes are a secret key").public());
        (secret, public)
    }

    /// The public key that belongs to a secret one.
    ///
    /// # Errors
    /// [`InvalidSecretKey`](PqError::InvalidSecretKey) when it is not 32 bytes long.
    pub fn public_key(secret: &SecretKey) -> Result<PublicKey, PqError> {
        Ok(PublicKey::from_bytes(key(secret)?.public()))
    }
}

struct Key(DecapsulationKeyRejectNonContrib);

impl Key {
    fn public(&self) -> Vec<u8> {
        self.0.encapsulation_key().to_bytes().to_vec()
    }
}

fn key(secret: &SecretKey) -> Result<Key, PqError> {
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(secret.expose().try_into().map_err(|_| PqError::InvalidSecretKey)?);
    Ok(Key(DecapsulationKeyRejectNonContrib::from(*seed)))
}

impl PqHybridProvider for XWing {
    fn name(&self) -> &'static str {
        X_WING
    }

    fn encapsulate(&self, public: &PublicKey, entropy: &mut dyn Entropy) -> Result<Encapsulated, PqError> {
        let public = EncapsulationKey::try_from(public.as_bytes()).map_err(|_| PqError::InvalidPublicKey)?;
        let (ciphertext, mut shared) = public.encapsulate_with_rng(&mut Random(entropy));
        let shared_secret = SharedSecret::new(shared.into());
        shared.zeroize();
        Ok(Encapsulated { ciphertext: ciphertext.to_vec(), shared_secret })
    }

    fn decapsulate(&self, secret: &SecretKey, ciphertext: &[u8]) -> Result<SharedSecret, PqError> {
        let key = key(secret)?;
        let ciphertext = ciphertext.try_into().map_err(|_| PqError::Tampered)?;
        let mut shared = key.0.try_decapsulate(ciphertext).map_err(|_| PqError::Tampered)?;
        let secret = SharedSecret::new(shared.into());
        shared.zeroize();
        Ok(secret)
    }
}

/// The engine's randomness as the crate wants it.
struct Random<'a>(&'a mut dyn Entropy);

impl TryRng for Random<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        utils::next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        utils::next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Random<'_> {}
