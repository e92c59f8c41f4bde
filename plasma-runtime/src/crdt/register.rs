//! A register: the last write stands.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::replica::push_number;
use super::scan::Scan;
use super::{Crdt, MAX_SAFE, Replica, element};
use crate::error::Result;
use crate::schema::Scalar;
use crate::value::{Kind, Timestamp};

/// A value of which the last write stands. JSON: `{"value":..,"ts":1730100000000,"replica":"<replica>"}`.
///
/// "Last" is by a hybrid logical clock (Kulkarni, Demirbas, Madappa, Avva, Leone: *Logical Physical Clocks*, OPODIS
/// 2014): a write's time is its writer's clock, or one millisecond after the write it has seen when that is later. So a
/// write that has seen another one follows it, whatever the clocks say. Between equal times the greater replica stands.
///
/// ```
/// use plasma_runtime::Timestamp;
/// use plasma_runtime::crdt::{Crdt as _, Lww, Replica};
///
/// let mut color = Lww::new("red".to_owned());
/// let mut elsewhere = color.clone();
/// color.set(Replica::of_client("phone"), "green".to_owned(), Timestamp::from_micros(2_000));
/// elsewhere.set(Replica::of_client("laptop"), "blue".to_owned(), Timestamp::from_micros(1_000));
/// elsewhere.merge(&color);
/// assert_eq!(elsewhere.value(), "green");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lww<T> {
    value: T,
    #[serde(deserialize_with = "super::json::safe_integer")]
    ts: u64,
    replica: Replica,
}

impl<T> Lww<T> {
    /// A register that nobody has written yet: every write follows it.
    pub const fn new(value: T) -> Self {
        Lww { value, ts: 0, replica: Replica::from_bytes([0; 8]) }
    }

    /// The value.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// The value, taken out.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// When it was written: by the hybrid logical clock, milliseconds since 1970. 0 when it never was.
    pub const fn written_at(&self) -> u64 {
        self.ts
    }

    /// Who wrote it.
    pub const fn written_by(&self) -> Replica {
        self.replica
    }

    /// Writes at a time of the writer's clock. What the writer sees here is older than its write: the write is after it.
    pub fn set(&mut self, replica: Replica, value: T, now: Timestamp) {
        let ts = clock(now).max((self.ts + 1).min(MAX_SAFE));
        *self = Lww { value, ts, replica };
    }

    /// A write at exactly this time of the hybrid clock.
    pub(crate) fn at(value: T, ts: u64, replica: Replica) -> Self {
        Lww { value, ts: ts.min(MAX_SAFE), replica }
    }

    /// The register with another form of its value.
    pub(super) fn try_map<U>(self, form: impl FnOnce(T) -> Result<U>) -> Result<Lww<U>> {
        Ok(Lww { value: form(self.value)?, ts: self.ts, replica: self.replica })
    }

    fn merge_by(&mut self, other: &Self, follows: impl FnOnce(&T, &T) -> bool)
    where
        T: Clone,
    {
        let (mine, theirs) = ((self.ts, self.replica), (other.ts, other.replica));
        if theirs > mine || (theirs == mine && follows(&other.value, &self.value)) {
            *self = other.clone();
        }
    }
}

/// A wall clock's time, as milliseconds a register can hold.
fn clock(now: Timestamp) -> u64 {
    u64::try_from(now.micros().div_euclid(1_000)).unwrap_or(0).min(MAX_SAFE)
}

impl<T: Default> Default for Lww<T> {
    fn default() -> Self {
        Lww::new(T::default())
    }
}

/// The value of a register that nobody has written yet.
impl<T> From<T> for Lww<T> {
    fn from(value: T) -> Self {
        Lww::new(value)
    }
}

impl<T: Scalar + Clone> Crdt for Lww<T> {
    /// Two writes of one replica never have the same time; where a state was made up by hand, the values' JSON decides,
    /// so that the result does not depend on the order.
    fn merge(&mut self, other: &Self) {
        let json = |value: &T| value.clone().into_value().map(|value| element::to_text(T::KIND, &value)).ok();
        self.merge_by(other, |theirs, mine| json(theirs) > json(mine));
    }
}

/// A register in a column: its value is the JSON text of one of its kind, in the one spelling.
pub(crate) type Register = Lww<Box<str>>;

impl Register {
    /// Takes in another one, as [`Crdt::merge`] does.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.merge_by(other, |theirs, mine| theirs > mine);
    }

    /// The canonical JSON.
    pub(crate) fn to_json(&self) -> String {
        let mut json = String::with_capacity(self.value.len() + 70);
        json.push_str("{\"value\":");
        json.push_str(&self.value);
        json.push_str(",\"ts\":");
        push_number(self.ts, &mut json);
        json.push_str(",\"replica\":\"");
        self.replica.push_to(&mut json);
        json.push_str("\"}");
        json
    }

    /// Reads a state in any spelling.
    pub(crate) fn from_json(kind: Kind, json: &str) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Parts<'a> {
            #[serde(borrow)]
            value: &'a RawValue,
            #[serde(deserialize_with = "super::json::safe_integer")]
            ts: u64,
            replica: Replica,
        }
        let (text, ts, replica) = match scan(json) {
            Some(parts) => parts,
            None => {
                let Parts { value, ts, replica } = serde_json::from_str(json)?;
                (value.get(), ts, replica)
            }
        };
        match element::canonical(kind, text) {
            Some(value) => Ok(Lww { value: value.into(), ts, replica }),
            None => Err(serde::de::Error::custom("its value has another type")),
        }
    }

    /// Whether it is the one spelling of a state.
    pub(crate) fn is_canonical(kind: Kind, json: &str) -> bool {
        match scan(json) {
            Some((text, ..)) => element::canonical(kind, text).is_some_and(|canonical| canonical == text),
            None => Self::from_json(kind, json).is_ok_and(|register| register.to_json() == json),
        }
    }
}

/// The parts of a canonical state of a plain value.
pub(super) fn scan(json: &str) -> Option<(&str, u64, Replica)> {
    let mut scan = Scan::new(json);
    scan.expect("{\"value\":")?;
    let text = scan.scalar()?;
    scan.expect(",\"ts\":")?;
    let ts = scan.number().filter(|ts| *ts <= MAX_SAFE)?;
    scan.expect(",\"replica\":\"")?;
    let replica = scan.replica()?;
    scan.expect("\"}")?;
    scan.end()?;
    Some((text, ts, replica))
}
