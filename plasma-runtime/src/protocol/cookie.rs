//! The causal cookie: a position in the change log that the client keeps and never reads.
//!
//! `c1:` is the public form: base64url without padding (RFC 4648, section 5) of a JSON object from region to decimal
//! string, keys in order. `c2:` is what servers issue: the same with what a pull needs besides ([`Position`]). There is
//! exactly one text for every cookie; any other is refused, so that equality of texts is equality of cookies.

mod position;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use position::{Mark, Position, Resume, Seen, Walk};

use crate::value::Value;

/// The longest cookie, bytes of its text.
pub const MAX_COOKIE_BYTES: usize = 4096;

/// The most regions of a cookie.
pub const MAX_REGIONS: usize = 64;

/// The one region of a server that has no regions.
pub const SINGLE_REGION: &str = "0";

/// The text is not a cookie: the code `invalid-cookie` on the wire. Says why, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cookie cannot be read: {0}")]
pub struct InvalidCookie(&'static str);

/// A position in every region's change log: region to row version, at most `i64::MAX`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cookie {
    regions: BTreeMap<String, u64>,
}

/// Any cookie a server may be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyCookie {
    /// `c1:`: regions only. A pull answers it with a reset.
    Regions(Cookie),
    /// `c2:`: what servers issue.
    Position(Position),
}

impl AnyCookie {
    /// Reads a `c1:` or a `c2:` cookie.
    ///
    /// # Errors
    /// [`InvalidCookie`] for everything that [`Cookie::encode`] and [`Position::encode`] do not make.
    pub fn decode(text: &str) -> Result<Self, InvalidCookie> {
        if text.starts_with("c2:") {
            Position::decode(text).map(AnyCookie::Position)
        } else {
            Cookie::decode(text).map(AnyCookie::Regions)
        }
    }
}

/// What a log row must satisfy to lie behind a cookie in one region: `row_version > after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionPredicate {
    /// The region.
    pub region: String,
    /// Rows of the region after this version are new to the cookie's holder.
    pub after: u64,
}

impl Cookie {
    /// A cookie that covers nothing.
    pub fn new() -> Self {
        Cookie::default()
    }

    /// A cookie at `version` of the one region `"0"`.
    ///
    /// # Errors
    /// [`InvalidCookie`] when the version is above `i64::MAX`.
    pub fn single(version: u64) -> Result<Self, InvalidCookie> {
        Cookie::new().with(SINGLE_REGION, version)
    }

    /// The same cookie at `version` in `region`.
    ///
    /// # Errors
    /// [`InvalidCookie`] when the region has no name, the version is above `i64::MAX`, or there are too many regions.
    pub fn with(mut self, region: &str, version: u64) -> Result<Self, InvalidCookie> {
        self.regions.insert(region.to_owned(), version);
        check_regions(&self.regions)?;
        Ok(self)
    }

    /// The version in `region`; none when the cookie does not know the region.
    pub fn version(&self, region: &str) -> Option<u64> {
        self.regions.get(region).copied()
    }

    /// The regions in order, with their versions.
    pub fn regions(&self) -> impl Iterator<Item = (&str, u64)> {
        self.regions.iter().map(|(region, version)| (region.as_str(), *version))
    }

    /// The `c1:` text.
    ///
    /// # Errors
    /// [`InvalidCookie`] when there is no region, or when the text would be longer than [`MAX_COOKIE_BYTES`].
    pub fn encode(&self) -> Result<String, InvalidCookie> {
        if self.regions.is_empty() {
            return Err(InvalidCookie("it has no region"));
        }
        encode_payload("c1:", &to_wire(&self.regions))
    }

    /// Reads a `c1:` text.
    ///
    /// # Errors
    /// [`InvalidCookie`] for everything that [`encode`](Cookie::encode) does not make: another prefix, padding or
    /// another alphabet, an array, a number instead of a string, leading zeros or a sign, duplicate or unordered
    /// members, no or more than [`MAX_REGIONS`] regions, versions above `i64::MAX`, more than [`MAX_COOKIE_BYTES`].
    pub fn decode(text: &str) -> Result<Self, InvalidCookie> {
        let regions = from_wire(decode_payload("c1:", text)?)?;
        Ok(Cookie { regions })
    }

    /// What both holders together have at least seen: the greater version of every region.
    ///
    /// # Errors
    /// [`InvalidCookie`] when together there are more than [`MAX_REGIONS`] regions.
    pub fn merge(&self, other: &Cookie) -> Result<Cookie, InvalidCookie> {
        let mut merged = self.clone();
        merged.advance_from_changes(other.regions())?;
        Ok(merged)
    }

    /// Whether everything behind `other` is behind this cookie too: at least its version in each of its regions.
    pub fn covers(&self, other: &Cookie) -> bool {
        other.regions.iter().all(|(region, version)| self.regions.get(region).copied().unwrap_or(0) >= *version)
    }

    /// Moves the cookie past these changes (region, row version), whatever their order. Never moves back.
    ///
    /// # Errors
    /// [`InvalidCookie`] as for [`with`](Cookie::with); the cookie is unchanged then.
    pub fn advance_from_changes<'a>(
        &mut self,
        changes: impl IntoIterator<Item = (&'a str, u64)>,
    ) -> Result<(), InvalidCookie> {
        let mut regions = self.regions.clone();
        for (region, version) in changes {
            match regions.get_mut(region) {
                Some(known) => *known = version.max(*known),
                None => {
                    regions.insert(region.to_owned(), version);
                }
            }
        }
        check_regions(&regions)?;
        self.regions = regions;
        Ok(())
    }

    /// What is behind the cookie, region by region. A region that is not listed is new as a whole.
    ///
    /// Never fold this to one maximum: a region that lags would lose the changes between its version and the maximum.
    pub fn pull_predicates(&self) -> Vec<RegionPredicate> {
        let predicate = |(region, after): (&str, u64)| RegionPredicate { region: region.to_owned(), after };
        self.regions().map(predicate).collect()
    }

    /// [`pull_predicates`](Cookie::pull_predicates) as an SQL condition with its parameters, over a log whose region
    /// and version are in these columns (SQL expressions, put in as they are). Rows of unlisted regions match.
    pub fn pull_predicate(&self, region_column: &str, version_column: &str) -> (String, Vec<Value>) {
        if self.regions.is_empty() {
            return ("TRUE".to_owned(), Vec::new());
        }
        let mut sql = String::from("(");
        let mut params = Vec::with_capacity(self.regions.len() * 3);
        for predicate in self.pull_predicates() {
            sql.push_str(&format!("({region_column} = ? AND {version_column} > ?) OR "));
            params.push(Value::Text(predicate.region));
            params.push(Value::Int(i64::try_from(predicate.after).unwrap_or(i64::MAX)));
        }
        let marks = vec!["?"; self.regions.len()].join(", ");
        sql.push_str(&format!("{region_column} NOT IN ({marks}))"));
        params.extend(self.regions.keys().map(|region| Value::Text(region.clone())));
        (sql, params)
    }
}

impl fmt::Display for Cookie {
    /// For people: `0@12 eu@7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (region, version)) in self.regions().enumerate() {
            write!(f, "{}{region}@{version}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

fn check_regions(regions: &BTreeMap<String, u64>) -> Result<(), InvalidCookie> {
    if regions.len() > MAX_REGIONS {
        return Err(InvalidCookie("it has more than 64 regions"));
    }
    if regions.contains_key("") {
        return Err(InvalidCookie("a region has no name"));
    }
    if regions.values().any(|version| i64::try_from(*version).is_err()) {
        return Err(InvalidCookie("a version is above the greatest 64-bit integer"));
    }
    Ok(())
}

/// Regions as the payload has them: versions are decimal strings.
fn to_wire(regions: &BTreeMap<String, u64>) -> BTreeMap<String, String> {
    regions.iter().map(|(region, version)| (region.clone(), version.to_string())).collect()
}

fn from_wire(wire: BTreeMap<String, String>) -> Result<BTreeMap<String, u64>, InvalidCookie> {
    if wire.is_empty() {
        return Err(InvalidCookie("it has no region"));
    }
    let mut regions = BTreeMap::new();
    for (region, version) in wire {
        regions.insert(region, parse_version(&version)?);
    }
    check_regions(&regions)?;
    Ok(regions)
}

/// Reads a version: digits without sign or leading zeros, at most `i64::MAX`.
fn parse_version(text: &str) -> Result<u64, InvalidCookie> {
    match text.parse::<i64>() {
        Ok(version) if version >= 0 && version.to_string() == text => Ok(version.unsigned_abs()),
        _ => Err(InvalidCookie("a version is not a plain decimal number of 63 bits")),
    }
}

/// Encodes a payload and refuses a text that [`decode_payload`] would refuse for its length.
fn encode_payload<T: Serialize>(prefix: &str, payload: &T) -> Result<String, InvalidCookie> {
    let json = serde_json::to_vec(payload).map_err(|_| InvalidCookie("it has no JSON form"))?;
    let text = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(json));
    if text.len() > MAX_COOKIE_BYTES {
        return Err(InvalidCookie("it is longer than 4 KiB"));
    }
    Ok(text)
}

/// Decodes a payload, and refuses every text that its encoding is not: duplicate members, white space, another order.
fn decode_payload<T: Serialize + DeserializeOwned>(prefix: &str, text: &str) -> Result<T, InvalidCookie> {
    // The length first: nothing of a longer text is looked at.
    if text.len() > MAX_COOKIE_BYTES {
        return Err(InvalidCookie("it is longer than 4 KiB"));
    }
    let encoded = text.strip_prefix(prefix).ok_or(InvalidCookie("its prefix is unknown"))?;
    let json = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| InvalidCookie("it is not base64url without padding"))?;
    let payload = serde_json::from_slice(&json).map_err(|_| InvalidCookie("its payload has another shape"))?;
    if encode_payload(prefix, &payload)? != text {
        return Err(InvalidCookie("its payload is not in the one accepted form"));
    }
    Ok(payload)
}
