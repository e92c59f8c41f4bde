//! What stands in an encrypted column: an envelope that says which key opens it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::KeyId;
use crate::error::{Error, Result};

/// The nonce of AES-GCM, in bytes.
pub(crate) const NONCE: usize = 12;
/// The authentication tag of AES-GCM, in bytes: the end of [`Envelope::ciphertext`].
pub(crate) const TAG: usize = 16;
/// An encrypted value. JSON: `{"v":1,"alg":"AES-GCM-256","keyId":"..","nonce":"..","ct":".."}`, its members in this
/// order, nonce and ciphertext in padded standard base64. Its shape can be checked without any key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Envelope {
    /// Which key it was sealed with.
    pub key_id: KeyId,
    /// Drawn anew for every envelope.
    pub nonce: [u8; NONCE],
    /// Ciphertext and tag.
    pub ciphertext: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Parts<'a> {
    v: u32,
    alg: std::borrow::Cow<'a, str>,
    key_id: std::borrow::Cow<'a, str>,
    nonce: std::borrow::Cow<'a, str>,
    ct: std::borrow::Cow<'a, str>,
}

impl Envelope {
    /// The stored form.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.parts()).expect("an envelope is texts and a number")
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            v: 1,
            alg: "AES-GCM-256".into(),
            key_id: self.key_id.as_str().into(),
            nonce: STANDARD.encode(self.nonce).into(),
            ct: STANDARD.encode(&self.ciphertext).into(),
        }
    }

    /// Reads the stored form and no other spelling of it.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation), always with the same text.
    pub fn from_json(json: &str) -> Result<Self> {
        Self::read(json)
            .filter(|envelope| envelope.to_json() == json)
            .ok_or_else(|| Error::validation("not an envelope of an encrypted value"))
    }

    fn read(json: &str) -> Option<Self> {
        Self::from_parts(serde_json::from_str(json).ok()?)
    }

    fn from_parts(parts: Parts<'_>) -> Option<Self> {
        let nonce = STANDARD.decode(parts.nonce.as_bytes()).ok()?;
        let ciphertext = STANDARD.decode(parts.ct.as_bytes()).ok()?;
        let well_formed = parts.v == 1 && parts.alg == "AES-GCM-256" && ciphertext.len() >= TAG;
        if !well_formed {
            return None;
        }
        Some(Envelope { key_id: KeyId::new(&parts.key_id).ok()?, nonce: nonce.try_into().ok()?, ciphertext })
    }
}

impl Serialize for Envelope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.parts().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_parts(Parts::deserialize(deserializer)?)
            .ok_or_else(|| serde::de::Error::custom("not an envelope of an encrypted value"))
    }
}
