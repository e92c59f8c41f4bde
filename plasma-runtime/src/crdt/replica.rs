//! Who made a change.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// One writer in the state of a CRDT: the first eight bytes of the SHA-256 of a client's id, 16 lower-case hex digits as
/// text. States are read by everybody who may read the row, and must not publish client ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Replica([u8; 8]);

impl Replica {
    /// The replica of a client.
    pub fn of_client(client_id: &str) -> Self {
        let digest = Sha256::digest(client_id.as_bytes());
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[..8]);
        Replica(bytes)
    }

    /// The replica with these bytes.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Replica(bytes)
    }

    /// The bytes.
    pub const fn bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl FromStr for Replica {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let digits = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match u64::from_str_radix(text, 16) {
            Ok(number) if digits => Ok(Replica(number.to_be_bytes())),
            _ => Err(Error::validation("a replica is 16 lower-case hex digits")),
        }
    }
}

impl Serialize for Replica {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Replica {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One addition to an [`OrSet`](super::OrSet): `<replica>:<seq>` as text. No replica uses a number twice in one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// Who added.
    pub replica: Replica,
    /// Which of its additions.
    pub seq: u64,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.replica, self.seq)
    }
}

impl FromStr for Tag {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::validation("a tag of a set is `replica:number`");
        let (replica, seq) = text.split_once(':').ok_or_else(wrong)?;
        let number: u64 = seq.parse().map_err(|_| wrong())?;
        // One spelling only: no sign, no leading zeros.
        if number.to_string() != seq {
            return Err(wrong());
        }
        Ok(Tag { replica: replica.parse()?, seq: number })
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
