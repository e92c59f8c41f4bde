//! What stands in an encrypted column: an envelope that says which key opens it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

/// What stands before the id of the key, between it and the nonce, and so on: the form has one spelling.
const HEAD: &str = r#"{"v":1,"alg":"AES-GCM-256","keyId":"#;
const BEFORE_NONCE: &str = r#","nonce":""#;
const BEFORE_CIPHERTEXT: &str = r#"","ct":""#;
const END: &str = r#""}"#;

impl Envelope {
    /// The stored form.
    pub fn to_json(&self) -> String {
        let base64 = 4 * (NONCE.div_ceil(3) + self.ciphertext.len().div_ceil(3));
        let mut json = String::with_capacity(HEAD.len() + self.key_id.as_str().len() + 32 + base64);
        json.push_str(HEAD);
        push_spelled(self.key_id.as_str(), &mut json);
        json.push_str(BEFORE_NONCE);
        STANDARD.encode_string(self.nonce, &mut json);
        json.push_str(BEFORE_CIPHERTEXT);
        STANDARD.encode_string(&self.ciphertext, &mut json);
        json.push_str(END);
        json
    }

    /// Reads the stored form and no other spelling of it.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation), always with the same text.
    pub fn from_json(json: &str) -> Result<Self> {
        Self::read(json).ok_or_else(|| Error::validation(NOT_ONE))
    }

    fn read(json: &str) -> Option<Self> {
        // In the text of a JSON string no quotation mark follows a comma: it follows a backslash.
        let (key_id, rest) = json.strip_prefix(HEAD)?.split_once(BEFORE_NONCE)?;
        let (encoded, rest) = rest.split_at_checked(NONCE / 3 * 4)?;
        let mut nonce = [0; NONCE];
        // One text stands for some bytes: the decoder wants the padding, and zeros in the bits that are left.
        let decoded = STANDARD.decode_slice(encoded, &mut nonce).ok()?;
        let ciphertext = STANDARD.decode(rest.strip_prefix(BEFORE_CIPHERTEXT)?.strip_suffix(END)?).ok()?;
        if decoded != NONCE || ciphertext.len() < TAG {
            return None;
        }
        Some(Envelope { key_id: read_id(key_id)?, nonce, ciphertext })
    }
}

/// Inside of other JSON: members in any order, texts spelled in any way.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Parts<'a> {
    v: u32,
    alg: Cow<'a, str>,
    key_id: Cow<'a, str>,
    nonce: Cow<'a, str>,
    ct: Cow<'a, str>,
}

impl Parts<'_> {
    fn read(self) -> Option<Envelope> {
        let nonce = STANDARD.decode(self.nonce.as_bytes()).ok()?.try_into().ok()?;
        let ciphertext = STANDARD.decode(self.ct.as_bytes()).ok()?;
        let well_formed = self.v == 1 && self.alg == "AES-GCM-256" && ciphertext.len() >= TAG;
        well_formed.then_some(Envelope { key_id: KeyId::new(&self.key_id).ok()?, nonce, ciphertext })
    }
}

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = Parts {
            v: 1,
            alg: "AES-GCM-256".into(),
            key_id: self.key_id.as_str().into(),
            nonce: STANDARD.encode(self.nonce).into(),
            ct: STANDARD.encode(&self.ciphertext).into(),
        };
        parts.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Parts::deserialize(deserializer)?.read().ok_or_else(|| serde::de::Error::custom(NOT_ONE))
    }
}

const NOT_ONE: &str = "not an envelope of an encrypted value";

/// Whether a text stands in JSON as it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
}

/// Appends a text as JSON.
fn push_spelled(text: &str, json: &mut String) {
    if is_plain(text) {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        json.push_str(&serde_json::to_string(text).expect("a text can be written as JSON"));
    }
}

/// The id in a JSON text that is spelled like this and no other way.
fn read_id(json: &str) -> Option<KeyId> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if is_plain(inner) {
        return KeyId::new(inner).ok();
    }
    let id: String = serde_json::from_str(json).ok()?;
    (serde_json::to_string(&id).ok()? == json).then(|| KeyId::new(&id).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The form as serde reads and writes it: slower, and it shares nothing with what is above but the decoding of base64.
    fn by_serde(json: &str) -> Option<Envelope> {
        let envelope: Envelope = serde_json::from_str(json).ok()?;
        (serde_json::to_string(&envelope).ok()? == json).then_some(envelope)
    }

    fn agree(json: &str) -> Result<bool, TestCaseError> {
        let read = Envelope::from_json(json).ok();
        prop_assert_eq!(&read, &by_serde(json), "{}", json);
        prop_assert!(read.as_ref().is_none_or(|read| read.to_json() == json));
        Ok(read.is_some())
    }

    proptest! {
        #[test]
        fn an_envelope_is_what_serde_reads(
            key_id in prop_oneof![".{1,30}", "[\"\\\\,a\u{1}\n\u{7f}\u{e9}]{1,12}", Just("\",\"nonce\":\"".to_owned())],
            nonce: [u8; 12],
            ciphertext in prop::collection::vec(any::<u8>(), 0..60),
            edits in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<char>(), prop::char::ranges(vec![' '..='~'].into())], 0..3u8), 0..4),
        ) {
            prop_assume!(!key_id.contains('\0'));
            let short = ciphertext.len() < 16;
            let envelope = Envelope { key_id: KeyId::new(&key_id).unwrap(), nonce, ciphertext };
            let json = envelope.to_json();
            prop_assert_eq!(agree(&json)?, !short);
            let mut chars: Vec<char> = json.chars().collect();
            for (at, other, how) in edits {
                let at = at.index(chars.len());
                match how {
                    0 => chars[at] = other,
                    1 => chars.insert(at, other),
                    _ => drop(chars.remove(at)),
                }
            }
            agree(&chars.into_iter().collect::<String>())?;
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        let json =
            r#"{"v":1,"alg":"AES-GCM-256","keyId":"k","nonce":"AAAAAAAAAAAAAAAA","ct":"AAAAAAAAAAAAAAAAAAAAAA=="}"#;
        assert!(agree(json).unwrap());
        for (from, to) in [
            ("{", "{ "),
            ("}", "} "),
            ("}", "}\n"),
            ("}", ",\"x\":1}"),
            ("\"v\":1", "\"v\":1.0"),
            ("\"v\":1", "\"v\":2"),
            ("256", "128"),
            ("\"k\"", "\"\\u006b\""),
            ("\"k\"", "\"\\u0000\""),
            ("\"k\"", "\"\""),
            ("\"k\"", "1"),
            ("\"k\"", "\"k\",\"keyId\":\"k\""),
            ("AA==", "AB=="),
            ("AA==", "AA="),
            ("AA==", "AA"),
            ("AA==", "A-=="),
            ("AAAAAAAA\"", "AAAAAA==\""),
            ("AAAAAAAA\"", "AAAA\""),
            (
                "\"AAAAAAAAAAAAAAAA\",\"ct\":\"AAAAAAAAAAAAAAAAAAAAAA==\"",
                "\"AAAAAAAAAAAAAAAAAAAAAA==\",\"ct\":\"AAAAAAAAAAAAAAAA\"",
            ),
        ] {
            let other = json.replacen(from, to, 1);
            assert!(other != json && !agree(&other).unwrap(), "{other}");
        }
    }
}
