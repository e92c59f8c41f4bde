//! References to files.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// The greatest size: whole numbers up to it are exact in every JSON reader.
pub(crate) const MAX_FILE_SIZE: u64 = (1 << 53) - 1;
/// The most characters of a media type.
pub(crate) const MAX_MIME: usize = 255;

/// The SHA-256 of a file's bytes: 64 lower-case hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileHash([u8; 32]);

impl FileHash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        FileHash(Sha256::digest(bytes).into())
    }

    /// The hash with these bytes.
    pub const fn from_bytes(hash: [u8; 32]) -> Self {
        FileHash(hash)
    }

    /// The 32 bytes of the hash.
    pub const fn bytes(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileHash({self})")
    }
}

impl FromStr for FileHash {
    type Err = Error;

    /// Reads the one accepted form: 64 lower-case hex digits.
    fn from_str(text: &str) -> Result<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
        match bytes.and_then(|bytes| bytes.try_into().ok()) {
            Some(hash) if rest.is_empty() => Ok(FileHash(hash)),
            _ => Err(Error::validation("the hash of a file is a SHA-256: 64 lower-case hex digits")),
        }
    }
}

impl Serialize for FileHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FileHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a column says of a file: which one it is, how large, of what media type. The bytes are not part of it.
///
/// A file is named by its hash, so two references to the same bytes of the same type are equal. In the database and in
/// JSON it is `{"hash":"..","size":3,"mime":"text/plain"}`, its members in this order.
///
/// ```
/// use plasma_runtime::FileRef;
///
/// let file = FileRef::of(b"abc", "text/plain")?;
/// assert_eq!((file.size(), file.mime()), (3, "text/plain"));
/// assert!(file.hash().to_string().starts_with("ba7816bf"));
/// # Ok::<(), plasma_runtime::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct FileRef {
    hash: FileHash,
    size: u64,
    mime: String,
}

/// What the JSON of a reference holds, not looked at yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    hash: FileHash,
    size: u64,
    mime: String,
}

impl TryFrom<Parts> for FileRef {
    type Error = Error;

    fn try_from(parts: Parts) -> Result<Self> {
        FileRef::new(parts.hash, parts.size, &parts.mime)
    }
}

impl FileRef {
    /// The reference to these bytes, which are hashed and not kept.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when `mime` is not a media type.
    pub fn of(bytes: &[u8], mime: &str) -> Result<Self> {
        Self::new(FileHash::of(bytes), bytes.len() as u64, mime)
    }

    /// The reference to a file of `size` bytes whose hash is known.
    ///
    /// `mime` is a media type without parameters, `type/subtype` in the characters of RFC 6838, at most 255. It is taken
    /// in lower case, as the case of a media type has no meaning.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when `mime` is not a media type, or `size` is above 2^53 - 1.
    pub fn new(hash: FileHash, size: u64, mime: &str) -> Result<Self> {
        let mime = mime.to_ascii_lowercase();
        if !is_media_type(&mime) {
            return Err(Error::validation(
                "the mime of a file is a media type such as `image/png`, without parameters",
            ));
        }
        if size > MAX_FILE_SIZE {
            return Err(Error::validation(format!("a file has at most {MAX_FILE_SIZE} bytes, not {size}")));
        }
        Ok(FileRef { hash, size, mime })
    }

    /// The hash of the bytes.
    pub fn hash(&self) -> FileHash {
        self.hash
    }

    /// The number of bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The media type, in lower case.
    pub fn mime(&self) -> &str {
        &self.mime
    }

    /// The stored form.
    pub(crate) fn to_json(&self) -> String {
        // No character of a media type is escaped in JSON.
        format!(r#"{{"hash":"{}","size":{},"mime":"{}"}}"#, self.hash, self.size, self.mime)
    }

    /// Reads the stored form and no other spelling of it.
    pub(crate) fn from_canonical_json(json: &str) -> Result<Self> {
        serde_json::from_str::<FileRef>(json)
            .ok()
            .filter(|file| file.to_json() == json)
            .ok_or_else(|| Error::validation("a file is its hash, size and mime, in this order"))
    }
}

/// `type "/" subtype` of RFC 6838, section 4.2, in lower case.
fn is_media_type(mime: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&^_.+-".contains(&b))
    };
    mime.len() <= MAX_MIME && mime.split_once('/').is_some_and(|(main, sub)| part(main) && part(sub))
}

#[cfg(test)]
mod tests;
