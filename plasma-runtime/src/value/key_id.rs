//! Names of keys.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The longest id of a key, in bytes.
pub(crate) const MAX_KEY_ID: usize = 128;

/// The name of a data key: text of 1 to 128 bytes without U+0000. It stands in clear beside everything that the key
/// sealed. It names one key for ever: a new key has a new id.
///
/// ```
/// use plasma_runtime::value::KeyId;
///
/// let id = KeyId::new("notes/2026-11")?;
/// assert_eq!(id.as_str(), "notes/2026-11");
/// assert!(KeyId::new("").is_err());
/// # Ok::<(), plasma_runtime::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// The id with this text.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when it is empty, longer than 128 bytes or has U+0000 in it.
    pub fn new(text: &str) -> Result<Self> {
        if !(1..=MAX_KEY_ID).contains(&text.len()) || text.contains('\0') {
            return Err(Error::validation("the id of a key is a text of 1 to 128 bytes without U+0000"));
        }
        Ok(KeyId(text.into()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({:?})", &*self.0)
    }
}

impl FromStr for KeyId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        KeyId::new(text)
    }
}

impl TryFrom<String> for KeyId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        KeyId::new(&text)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> String {
        id.0.as_ref().to_owned()
    }
}

impl AsRef<str> for KeyId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
