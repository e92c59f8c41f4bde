//! Sealing and opening with a keyring.

use super::{KeyId, Keyring, NonceLedger, Nonces, OpenError, Purpose, SealError, SealScope};
use super::{open_with_key, seal_with_key};
use crate::inputs::Entropy;
use crate::value::Envelope;

/// All that sealing takes: where keys come from, and nonces.
#[expect(missing_debug_implementations, reason = "it holds a keyring, which need not show itself")]
pub struct Sealer<'a> {
    /// The keys.
    pub keyring: &'a dyn Keyring,
    /// The nonces of the open store.
    pub nonces: &'a mut Nonces,
    /// Where they are counted.
    pub ledger: &'a mut dyn NonceLedger,
    /// Where they are drawn from.
    pub entropy: &'a mut dyn Entropy,
}

impl Sealer<'_> {
    /// Seals with the key that is current for the place.
    ///
    /// # Errors
    /// [`NoCurrentKey`](SealError::NoCurrentKey) when there is none, and those of [`seal_with`](Self::seal_with).
    pub fn seal(&mut self, purpose: Purpose, scope: SealScope<'_>, plaintext: &[u8]) -> Result<Envelope, SealError> {
        let key_id = self.keyring.current(scope).ok_or(SealError::NoCurrentKey)?;
        self.seal_with(purpose, &key_id, scope, plaintext)
    }

    /// Seals with the key of this id.
    ///
    /// # Errors
    /// [`NoKey`](SealError::NoKey) when the keyring does not hold it, [`KeyUsedUp`](SealError::KeyUsedUp) when it has
    /// sealed as many values as it may, [`Ledger`](SealError::Ledger) when that could not be counted,
    /// [`TooLarge`](SealError::TooLarge) above 64 GiB.
    pub fn seal_with(
        &mut self,
        purpose: Purpose,
        key_id: &KeyId,
        scope: SealScope<'_>,
        plaintext: &[u8],
    ) -> Result<Envelope, SealError> {
        let key = self.keyring.key(key_id).ok_or_else(|| SealError::NoKey(key_id.clone()))?;
        let nonce = self.nonces.next(key_id, self.ledger, self.entropy)?;
        seal_with_key(purpose, &key, key_id, scope, plaintext, nonce)
    }
}

/// Opens what was sealed for this purpose and place.
///
/// # Errors
/// [`NoKey`](OpenError::NoKey) when the keyring does not hold the key that the envelope names,
/// [`Tampered`](OpenError::Tampered) when it is not what was sealed here with it.
pub fn open(
    purpose: Purpose,
    keyring: &dyn Keyring,
    scope: SealScope<'_>,
    envelope: &Envelope,
) -> Result<Vec<u8>, OpenError> {
    let key = keyring.key(&envelope.key_id).ok_or_else(|| OpenError::NoKey(envelope.key_id.clone()))?;
    open_with_key(purpose, &key, scope, envelope)
}
