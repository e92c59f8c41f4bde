//! What a server that holds no key can still ask of encrypted values.

use std::collections::BTreeSet;

use super::{Envelope, KeyId, PqEnvelope, is_pq_envelope};
use crate::error::{Error, ErrorKind};

/// What encrypted values a server takes. It cannot look into them; it sees how large they are and which key they name.
///
/// ```
/// use plasma_runtime::value::{Envelope, EnvelopeError, EnvelopeLimits, KeyId};
///
/// let limits = EnvelopeLimits { max_ciphertext_bytes: 64, ..EnvelopeLimits::default() };
/// let envelope = Envelope { key_id: KeyId::new("k1")?, nonce: [0; 12], ciphertext: vec![0; 65] };
/// assert_eq!(limits.validate(&envelope), Err(EnvelopeError::TooLarge { max: 64 }));
/// # Ok::<(), plasma_runtime::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeLimits {
    /// The longest ciphertext with its tag of 16 bytes, in bytes. Default: 1 MiB.
    pub max_ciphertext_bytes: usize,
    /// The keys that values may be sealed with. Default: any.
    pub allowed_key_ids: Option<BTreeSet<KeyId>>,
    /// The longest KEM ciphertext of a [`PqEnvelope`], in bytes. Default: the 1120 of X-Wing.
    pub max_kem_ciphertext_bytes: usize,
}

impl Default for EnvelopeLimits {
    fn default() -> Self {
        EnvelopeLimits {
            max_ciphertext_bytes: 1 << 20,
            allowed_key_ids: None,
            max_kem_ciphertext_bytes: super::pq_envelope::X_WING_CIPHERTEXT,
        }
    }
}

/// Why an encrypted value is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// It is no envelope, or not in its canonical spelling.
    #[error("not an envelope of an encrypted value")]
    Malformed,
    /// A wrapped data key stands where an encrypted value belongs.
    #[error("a post-quantum envelope of a key stands where an encrypted value belongs")]
    PostQuantum,
    /// An encrypted value stands where a data key wrapped by a post-quantum hybrid belongs.
    #[error("a classic envelope stands where a post-quantum one belongs")]
    Classic,
    /// The ciphertext is longer than allowed.
    #[error("the encrypted value is longer than {max} bytes")]
    TooLarge {
        /// The most bytes.
        max: usize,
    },
    /// The key is not one of those allowed.
    #[error("the encrypted value names a key that is not allowed")]
    UnknownKey,
    /// The KEM ciphertext is longer than allowed.
    #[error("the KEM ciphertext is longer than {max} bytes")]
    KemTooLarge {
        /// The most bytes.
        max: usize,
    },
}

impl EnvelopeError {
    fn reason(&self) -> &'static str {
        match self {
            EnvelopeError::Malformed => "malformed",
            EnvelopeError::PostQuantum => "post-quantum",
            EnvelopeError::Classic => "classic",
            EnvelopeError::TooLarge { .. } => "too-large",
            EnvelopeError::UnknownKey => "unknown-key",
            EnvelopeError::KemTooLarge { .. } => "kem-too-large",
        }
    }
}

/// [`Validation`](ErrorKind::Validation); `data` is `{ "reason": ".." }`.
impl From<EnvelopeError> for Error {
    fn from(error: EnvelopeError) -> Error {
        Error::new(ErrorKind::Validation, error.to_string())
            .with_data(serde_json::json!({ "reason": error.reason() }))
            .with_source(error)
    }
}

impl EnvelopeLimits {
    /// Checks an encrypted value.
    ///
    /// # Errors
    /// [`TooLarge`](EnvelopeError::TooLarge) and [`UnknownKey`](EnvelopeError::UnknownKey).
    pub fn validate(&self, envelope: &Envelope) -> Result<(), EnvelopeError> {
        if envelope.ciphertext.len() > self.max_ciphertext_bytes {
            return Err(EnvelopeError::TooLarge { max: self.max_ciphertext_bytes });
        }
        self.allows(&envelope.key_id)
    }

    /// Reads and checks an encrypted value.
    ///
    /// # Errors
    /// All but those of [`validate_pq`](Self::validate_pq); [`PostQuantum`](EnvelopeError::PostQuantum) for a wrapped key.
    pub fn validate_json(&self, json: &str) -> Result<Envelope, EnvelopeError> {
        let Ok(envelope) = Envelope::from_json(json) else {
            return Err(if is_pq_envelope(json) { EnvelopeError::PostQuantum } else { EnvelopeError::Malformed });
        };
        self.validate(&envelope)?;
        Ok(envelope)
    }

    /// Checks a wrapped data key.
    ///
    /// # Errors
    /// [`KemTooLarge`](EnvelopeError::KemTooLarge) and [`UnknownKey`](EnvelopeError::UnknownKey).
    pub fn validate_pq(&self, envelope: &PqEnvelope) -> Result<(), EnvelopeError> {
        if envelope.kem_ciphertext.len() > self.max_kem_ciphertext_bytes {
            return Err(EnvelopeError::KemTooLarge { max: self.max_kem_ciphertext_bytes });
        }
        self.allows(&envelope.key_id)
    }

    /// Reads and checks a wrapped data key.
    ///
    /// # Errors
    /// Those of [`validate_pq`](Self::validate_pq), [`Malformed`](EnvelopeError::Malformed), and
    /// [`Classic`](EnvelopeError::Classic) for an encrypted value.
    pub fn validate_pq_json(&self, json: &str) -> Result<PqEnvelope, EnvelopeError> {
        let Ok(envelope) = PqEnvelope::from_json(json) else {
            return Err(if Envelope::from_json(json).is_ok() {
                EnvelopeError::Classic
            } else {
                EnvelopeError::Malformed
            });
        };
        self.validate_pq(&envelope)?;
        Ok(envelope)
    }

    fn allows(&self, key: &KeyId) -> Result<(), EnvelopeError> {
        match &self.allowed_key_ids {
            Some(allowed) if !allowed.contains(key) => Err(EnvelopeError::UnknownKey),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(key: &str, length: usize) -> Envelope {
        Envelope { key_id: KeyId::new(key).unwrap(), nonce: [1; 12], ciphertext: vec![2; length] }
    }

    fn wrapped(kem: &str, length: usize) -> PqEnvelope {
        PqEnvelope {
            kem: kem.to_owned(),
            key_id: KeyId::new("k").unwrap(),
            kem_ciphertext: vec![3; length],
            nonce: [4; 12],
            ciphertext: [5; 48],
        }
    }

    #[test]
    fn each_limit_is_held_at_its_edge() {
        let limits = EnvelopeLimits {
            max_ciphertext_bytes: 100,
            allowed_key_ids: Some(BTreeSet::from([KeyId::new("k").unwrap()])),
            max_kem_ciphertext_bytes: 1120,
        };
        assert_eq!(limits.validate(&envelope("k", 100)), Ok(()));
        assert_eq!(limits.validate(&envelope("k", 101)), Err(EnvelopeError::TooLarge { max: 100 }));
        assert_eq!(limits.validate(&envelope("K", 100)), Err(EnvelopeError::UnknownKey));
        assert_eq!(limits.validate_pq(&wrapped("mine", 1120)), Ok(()));
        assert_eq!(limits.validate_pq(&wrapped("mine", 1121)), Err(EnvelopeError::KemTooLarge { max: 1120 }));
        let other = PqEnvelope { key_id: KeyId::new("other").unwrap(), ..wrapped("mine", 3) };
        assert_eq!(limits.validate_pq(&other), Err(EnvelopeError::UnknownKey));
        assert_eq!(EnvelopeLimits::default().validate(&envelope("any", 1 << 20)), Ok(()));
    }

    #[test]
    fn neither_envelope_passes_for_the_other() {
        let limits = EnvelopeLimits::default();
        let (classic, wrapped) = (envelope("k", 48).to_json(), wrapped("X-Wing", 1120).to_json());
        assert_eq!(limits.validate_json(&wrapped), Err(EnvelopeError::PostQuantum));
        assert_eq!(limits.validate_pq_json(&classic), Err(EnvelopeError::Classic));
        assert!(limits.validate_json(&classic).is_ok() && limits.validate_pq_json(&wrapped).is_ok());
        assert!(is_pq_envelope(&wrapped) && !is_pq_envelope(&classic));
        for nothing in ["", "null", "{}", "1e400", "\"\\ud800\"", "[[[["] {
            assert_eq!(limits.validate_json(nothing), Err(EnvelopeError::Malformed));
            assert_eq!(limits.validate_pq_json(nothing), Err(EnvelopeError::Malformed));
        }
        let error = Error::from(EnvelopeError::PostQuantum);
        assert_eq!(
            (error.kind(), error.data().unwrap()["reason"].as_str()),
            (ErrorKind::Validation, Some("post-quantum"))
        );
    }

    #[test]
    fn a_ciphertext_of_x_wing_has_one_length() {
        for length in [0, 1, 1119, 1121, 2240] {
            assert!(PqEnvelope::from_json(&wrapped("X-Wing", length).to_json()).is_err(), "{length}");
        }
        let kept = wrapped("X-Wing", 1120);
        assert_eq!(PqEnvelope::from_json(&kept.to_json()).unwrap(), kept);
        // A provider of the application has its own, but never none and never without an end.
        for (length, taken) in [(0, false), (1, true), (1 << 16, true), ((1 << 16) + 1, false)] {
            assert_eq!(PqEnvelope::from_json(&wrapped("mine", length).to_json()).is_ok(), taken, "{length}");
        }
        for name in ["", "X Wing", "x\u{e9}", &"x".repeat(65)] {
            assert!(PqEnvelope::from_json(&wrapped(name, 1120).to_json()).is_err(), "{name}");
        }
    }
}
