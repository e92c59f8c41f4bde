//! CRDT columns as data, and their states as JSON.

use super::or_set::State;
use super::{GCounter, Lww, PnCounter};
use crate::error::{Error, Result};
use crate::value::Kind;

/// Which CRDT a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CrdtKind {
    /// [`GCounter`].
    GCounter,
    /// [`PnCounter`].
    PnCounter,
    /// [`Lww`] of values of a kind.
    Lww(&'static Kind),
    /// [`OrSet`](super::OrSet) of values of a kind.
    OrSet(&'static Kind),
    /// [`Text`](super::Text).
    #[cfg(feature = "text")]
    Text,
}

/// What registers and sets may hold.
static INNER: [Kind; 31] = {
    let mut kinds = [Kind::Sealed; 31];
    let plain = [
        Kind::Id,
        Kind::Text,
        Kind::Int,
        Kind::BigInt,
        Kind::Float,
        Kind::Bool,
        Kind::Blob,
        Kind::Json,
        Kind::Timestamp,
        Kind::Date,
        Kind::File,
    ];
    let mut at = 0;
    while at < 30 {
        kinds[at] = if at < 11 { plain[at] } else { Kind::Fixed(at as u8 - 11) };
        at += 1;
    }
    kinds
};

impl CrdtKind {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = CrdtKind> {
        let of = INNER.iter().flat_map(|kind| [CrdtKind::Lww(kind), CrdtKind::OrSet(kind)]);
        let alone = [
            CrdtKind::GCounter,
            CrdtKind::PnCounter,
            #[cfg(feature = "text")]
            CrdtKind::Text,
        ];
        alone.into_iter().chain(of)
    }

    /// A state in canonical spelling.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when it is no state of this kind.
    pub fn canonical(self, json: &str) -> Result<String> {
        self.merged(json, None)
    }

    /// Whether this is a state of this kind in its canonical spelling.
    pub fn is_canonical(self, json: &str) -> bool {
        self.canonical(json).is_ok_and(|canonical| canonical == json)
    }

    /// Two states merged, in canonical spelling.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when one of them is no state of this kind.
    pub fn merge(self, a: &str, b: &str) -> Result<String> {
        self.merged(a, Some(b))
    }
}

/// A register whose value stays JSON text.
type RawRegister = Lww<Box<serde_json::value::RawValue>>;

impl CrdtKind {
    fn merged(self, a: &str, b: Option<&str>) -> Result<String> {
        let merged = match self {
            CrdtKind::GCounter => join::<GCounter>(a, b),
            CrdtKind::PnCounter => join::<PnCounter>(a, b),
            CrdtKind::Lww(_) => join::<RawRegister>(a, b),
            CrdtKind::OrSet(_) => set(a, b),
            #[cfg(feature = "text")]
            CrdtKind::Text => join::<super::Text>(a, b),
        };
        merged.map_err(|error| Error::validation(format!("not the state of {self}: {error}")))
    }
}

fn join<C: super::Crdt + serde::Serialize + serde::de::DeserializeOwned>(
    a: &str,
    b: Option<&str>,
) -> serde_json::Result<String> {
    let mut state: C = serde_json::from_str(a)?;
    if let Some(b) = b {
        state.merge(&serde_json::from_str(b)?);
    }
    serde_json::to_string(&state)
}

fn set(a: &str, b: Option<&str>) -> serde_json::Result<String> {
    let mut state = State::from_json(a)?;
    if let Some(b) = b {
        state.merge(&State::from_json(b)?);
    }
    Ok(state.to_json())
}

impl std::fmt::Display for CrdtKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            CrdtKind::GCounter => "a `GCounter`",
            CrdtKind::PnCounter => "a `PnCounter`",
            CrdtKind::Lww(_) => "an `Lww`",
            CrdtKind::OrSet(_) => "an `OrSet`",
            #[cfg(feature = "text")]
            CrdtKind::Text => "a `Text`",
        })
    }
}
