//! A data key wrapped for one recipient by a post-quantum hybrid.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::KeyId;
use super::envelope::{NONCE, TAG};
use crate::error::{Error, Result};

/// The name of the hybrid that the library brings.
pub(crate) const X_WING: &str = "X-Wing";
/// Its ciphertext, in bytes: 1088 of ML-KEM-768 and 32 of X25519.
pub(crate) const X_WING_CIPHERTEXT: usize = 1120;
/// The longest KEM ciphertext of any provider, in bytes.
const MAX_KEM_CIPHERTEXT: usize = 1 << 16;
/// A wrapped data key, in bytes.
const WRAPPED: usize = 32 + TAG;

/// A data key that one recipient can unwrap. JSON: `{"v":1,"alg":"AES-GCM-256","kem":"X-Wing","keyId":"..","kemCt":"..",
/// "nonce":"..","ct":".."}`, its members in this order, bytes in padded standard base64. As a column:
/// [`Json<PqEnvelope>`](crate::Json). Its shape can be checked without any key.
///
/// It is another form than that of an [`Envelope`](super::Envelope): neither is ever read as the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PqEnvelope {
    /// The key encapsulation: `X-Wing`, or the name of a provider of the application.
    pub kem: String,
    /// Which data key is wrapped.
    pub key_id: KeyId,
    /// What the recipient's secret key makes the shared secret of.
    pub kem_ciphertext: Vec<u8>,
    /// Drawn anew for every envelope.
    pub nonce: [u8; NONCE],
    /// The data key, encrypted, and the tag.
    pub ciphertext: [u8; WRAPPED],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Parts<'a> {
    v: u32,
    alg: Cow<'a, str>,
    kem: Cow<'a, str>,
    key_id: Cow<'a, str>,
    kem_ct: Cow<'a, str>,
    nonce: Cow<'a, str>,
    ct: Cow<'a, str>,
}

impl PqEnvelope {
    /// The stored form.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.parts()).expect("an envelope is texts and a number")
    }

    /// Reads the stored form and no other spelling of it.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation), always with the same text: also for an
    /// [`Envelope`](super::Envelope), which is not protected in this way, and for a KEM ciphertext of X-Wing that is not
    /// 1120 bytes long.
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json)
            .ok()
            .and_then(Self::read)
            .filter(|envelope| envelope.to_json() == json)
            .ok_or_else(|| Error::validation(NOT_ONE))
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            v: 1,
            alg: "AES-GCM-256".into(),
            kem: self.kem.as_str().into(),
            key_id: self.key_id.as_str().into(),
            kem_ct: STANDARD.encode(&self.kem_ciphertext).into(),
            nonce: STANDARD.encode(self.nonce).into(),
            ct: STANDARD.encode(self.ciphertext).into(),
        }
    }

    fn read(parts: Parts<'_>) -> Option<Self> {
        let bytes = |text: &str| STANDARD.decode(text).ok();
        let envelope = PqEnvelope {
            key_id: KeyId::new(&parts.key_id).ok()?,
            kem_ciphertext: bytes(&parts.kem_ct)?,
            nonce: bytes(&parts.nonce)?.try_into().ok()?,
            ciphertext: bytes(&parts.ct)?.try_into().ok()?,
            kem: parts.kem.into_owned(),
        };
        let named = (1..=64).contains(&envelope.kem.len()) && envelope.kem.bytes().all(|byte| byte.is_ascii_graphic());
        let length = envelope.kem_ciphertext.len();
        let fits = if envelope.kem == X_WING {
            length == X_WING_CIPHERTEXT
        } else {
            (1..=MAX_KEM_CIPHERTEXT).contains(&length)
        };
        (parts.v == 1 && parts.alg == "AES-GCM-256" && named && fits).then_some(envelope)
    }
}

const NOT_ONE: &str = "not a post-quantum envelope of a data key";

/// Whether this JSON text is the stored form of a [`PqEnvelope`].
pub fn is_pq_envelope(json: &str) -> bool {
    PqEnvelope::from_json(json).is_ok()
}

impl Serialize for PqEnvelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.parts().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PqEnvelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(Parts::deserialize(deserializer)?).ok_or_else(|| serde::de::Error::custom(NOT_ONE))
    }
}
