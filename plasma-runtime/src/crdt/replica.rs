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

    /// 16 lower-case hex digits.
    pub(super) fn hex(self) -> [u8; 16] {
        let mut digits = [0; 16];
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        }
        digits
    }

    pub(super) fn from_hex(digits: &[u8; 16]) -> Option<Self> {
        let mut bytes = [0; 8];
        let mut wrong = 0;
        for (byte, [high, low]) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
            let (high, low) = (NIBBLES[usize::from(*high)], NIBBLES[usize::from(*low)]);
            wrong |= high | low;
            *byte = high << 4 | low & 15;
        }
        (wrong < 16).then_some(Replica(bytes))
    }

    /// Appends the digits.
    pub(super) fn push_to(self, out: &mut String) {
        out.push_str(std::str::from_utf8(&self.hex()).expect("hex digits are ASCII"));
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";
/// What a digit stands for; 255 for what is none.
const NIBBLES: [u8; 256] = {
    let mut nibbles = [255; 256];
    let mut n = 0;
    while n < 16 {
        nibbles[HEX[n] as usize] = n as u8;
        n += 1;
    }
    nibbles
};

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.hex()).expect("hex digits are ASCII"))
    }
}

impl FromStr for Replica {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let digits: Option<&[u8; 16]> = text.as_bytes().try_into().ok();
        digits.and_then(Replica::from_hex).ok_or_else(|| Error::validation("a replica is 16 lower-case hex digits"))
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

impl Tag {
    /// Appends the tag in its quotes.
    pub(super) fn push_to(self, out: &mut String) {
        out.push('"');
        self.replica.push_to(out);
        out.push(':');
        push_number(self.seq, out);
        out.push('"');
    }
}

/// Appends a number: `fmt` would take as long as all the rest.
pub(super) fn push_number(number: u64, out: &mut String) {
    let mut digits = [0; 20];
    let (mut at, mut rest) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[at..]).expect("digits are ASCII"));
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
