//! What a `c2:` cookie holds: what a reader holds, and how far a set of pages has come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Cookie, InvalidCookie, SINGLE_REGION, decode_payload, encode_payload, from_wire, parse_version, to_wire};

/// The random mark of a log entry. A position whose entry has another mark belongs to another history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark(pub u64);

/// The heads of the log at which the pages of a set were made: rows were sent only when readable with the tables as of
/// these. `first` and `last` are equal when the set was one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The smallest.
    pub first: u64,
    /// The greatest.
    pub last: u64,
    /// The mark of the entry at `last`.
    pub mark: Mark,
}

/// Where a set of pages without inner cuts goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// What the reader held before the set; none for a set that began with a `clear` of everything.
    pub from: Option<Resume>,
    /// The tables that are stated anew, in order. All of them when `from` is none.
    pub restated: Vec<String>,
    /// The table the last page ended in.
    pub table: String,
    /// The row the last page ended with; none when nothing of the table was sent yet.
    pub after: Option<String>,
}

/// What a reader held before a set of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// The position.
    pub at: u64,
    /// The mark of its entry.
    pub mark: Mark,
    /// Which heads it was made at.
    pub seen: Seen,
}

/// A `c2:` cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The position: what the reader holds is a cut there. While `walk` is some, the cut the set leads to.
    pub at: u64,
    /// The mark of its entry.
    pub mark: Mark,
    /// Which heads of the log the pages were made at.
    pub seen: Seen,
    /// The fingerprint of the schema as the reader knows it: tables and columns it does not know were left out. None in
    /// cookies of before there were lenses.
    pub schema: Option<u64>,
    /// Per table with a policy, the keyed digest of the bound policy; empty when pages of one set were made under
    /// different policies.
    pub policies: BTreeMap<String, String>,
    /// Where an unfinished set goes on.
    pub walk: Option<Walk>,
}

impl Position {
    /// The regions of the position, as a public cookie.
    pub fn regions(&self) -> Cookie {
        Cookie { regions: BTreeMap::from([(SINGLE_REGION.to_owned(), self.at)]) }
    }

    /// The `c2:` text.
    ///
    /// # Errors
    /// [`InvalidCookie`] when it would be longer than [`MAX_COOKIE_BYTES`](super::MAX_COOKIE_BYTES), or when a version
    /// is above `i64::MAX`.
    pub fn encode(&self) -> Result<String, InvalidCookie> {
        let wire = Wire::from(self);
        // Refuses on the way out what would be refused on the way in.
        Position::try_from(wire.clone())?;
        encode_payload("c2:", &wire)
    }

    /// Reads a `c2:` text.
    ///
    /// # Errors
    /// [`InvalidCookie`] for everything that [`encode`](Position::encode) does not make.
    pub fn decode(text: &str) -> Result<Self, InvalidCookie> {
        Position::try_from(decode_payload::<Wire>("c2:", text)?)
    }
}

/// The payload. Member order and names are the encoding; a change is a change of the protocol.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    regions: BTreeMap<String, String>,
    mark: String,
    seen: (String, String, String),
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    policies: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    walk: Option<WireWalk>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireWalk {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<WireResume>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    restated: Vec<String>,
    table: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireResume {
    at: String,
    mark: String,
    seen: (String, String, String),
}

impl Mark {
    fn to_wire(self) -> String {
        format!("{:016x}", self.0)
    }

    fn from_wire(text: &str) -> Result<Self, InvalidCookie> {
        let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match u64::from_str_radix(text, 16) {
            Ok(mark) if digits => Ok(Mark(mark)),
            _ => Err(InvalidCookie("a mark is not 16 hex digits")),
        }
    }
}

impl Seen {
    fn to_wire(self) -> (String, String, String) {
        (self.first.to_string(), self.last.to_string(), self.mark.to_wire())
    }

    fn from_wire((first, last, mark): &(String, String, String)) -> Result<Self, InvalidCookie> {
        let seen = Seen { first: parse_version(first)?, last: parse_version(last)?, mark: Mark::from_wire(mark)? };
        if seen.first > seen.last {
            return Err(InvalidCookie("its heads are out of order"));
        }
        Ok(seen)
    }

    /// A page of the same set made at `head`.
    #[must_use]
    pub fn and(self, head: u64, mark: Mark) -> Self {
        // The log only grows, so the newest head is the greatest.
        Seen { first: self.first.min(head), last: head, mark }
    }
}

impl From<&Position> for Wire {
    fn from(position: &Position) -> Self {
        Wire {
            regions: to_wire(&BTreeMap::from([(SINGLE_REGION.to_owned(), position.at)])),
            mark: position.mark.to_wire(),
            seen: position.seen.to_wire(),
            schema: position.schema.map(|schema| Mark(schema).to_wire()),
            policies: position.policies.clone(),
            walk: position.walk.as_ref().map(|walk| WireWalk {
                from: walk.from.as_ref().map(|from| WireResume {
                    at: from.at.to_string(),
                    mark: from.mark.to_wire(),
                    seen: from.seen.to_wire(),
                }),
                restated: walk.restated.clone(),
                table: walk.table.clone(),
                after: walk.after.clone(),
            }),
        }
    }
}

impl TryFrom<Wire> for Position {
    type Error = InvalidCookie;

    fn try_from(wire: Wire) -> Result<Self, InvalidCookie> {
        let regions = from_wire(wire.regions)?;
        let at = match regions.get(SINGLE_REGION) {
            Some(version) if regions.len() == 1 => *version,
            _ => return Err(InvalidCookie("it names regions this server does not have")),
        };
        let seen = Seen::from_wire(&wire.seen)?;
        if seen.first < at {
            return Err(InvalidCookie("its position lies after the head it was made at"));
        }
        let digest = |text: &String| text.is_empty() || Mark::from_wire(text).is_ok();
        if !wire.policies.values().all(digest) {
            return Err(InvalidCookie("a policy digest is not 16 hex digits"));
        }
        let fingerprint = |text: &String| Mark::from_wire(text).map(|Mark(bits)| bits);
        let schema = wire.schema.as_ref().map(fingerprint).transpose();
        let schema = schema.map_err(|_| InvalidCookie("a fingerprint is not 16 hex digits"))?;
        let walk = wire.walk.map(|walk| Walk::from_wire(walk, at)).transpose()?;
        Ok(Position { at, mark: Mark::from_wire(&wire.mark)?, seen, schema, policies: wire.policies, walk })
    }
}

impl Walk {
    fn from_wire(wire: WireWalk, at: u64) -> Result<Self, InvalidCookie> {
        let from = match wire.from {
            None => None,
            Some(from) => {
                let resume = Resume {
                    at: parse_version(&from.at)?,
                    mark: Mark::from_wire(&from.mark)?,
                    seen: Seen::from_wire(&from.seen)?,
                };
                if resume.at > at || resume.seen.first < resume.at {
                    return Err(InvalidCookie("its positions are out of order"));
                }
                Some(resume)
            }
        };
        if !wire.restated.is_sorted_by(|a, b| a < b) {
            return Err(InvalidCookie("its tables are out of order"));
        }
        Ok(Walk { from, restated: wire.restated, table: wire.table, after: wire.after })
    }
}
