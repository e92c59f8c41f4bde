//! CRDT columns as data, and their states as JSON.

use super::register::Register;
use super::state::State;
use super::{Crdt as _, GCounter, PnCounter};
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
    /// [`Lww`](super::Lww) of values of a kind.
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
    /// [`Validation`](crate::ErrorKind::Validation) when it is no state of this kind, as when a value in it is none of
    /// the kind that the column holds.
    pub fn canonical(self, json: &str) -> Result<String> {
        self.read(json).map(|state| state.to_json())
    }

    /// Whether this is a state of this kind in its canonical spelling.
    pub fn is_canonical(self, json: &str) -> bool {
        match self {
            CrdtKind::GCounter => GCounter::from_canonical(json).is_some(),
            CrdtKind::PnCounter => PnCounter::from_canonical(json).is_some(),
            CrdtKind::Lww(of) => Register::is_canonical(*of, json),
            CrdtKind::OrSet(of) => State::is_canonical(*of, json),
            #[cfg(feature = "text")]
            CrdtKind::Text => self.canonical(json).is_ok_and(|canonical| canonical == json),
        }
    }

    /// Two states merged, in canonical spelling.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when one of them is no state of this kind.
    pub fn merge(self, a: &str, b: &str) -> Result<String> {
        let mut state = self.read(a)?;
        match (&mut state, self.read(b)?) {
            (AnyState::GCounter(a), AnyState::GCounter(b)) => a.merge(&b),
            (AnyState::PnCounter(a), AnyState::PnCounter(b)) => a.merge(&b),
            (AnyState::Lww(a), AnyState::Lww(b)) => a.merge(&b),
            (AnyState::OrSet(a), AnyState::OrSet(b)) => a.merge(&b),
            #[cfg(feature = "text")]
            (AnyState::Text(a), AnyState::Text(b)) => a.merge(&b),
            _ => return Err(Error::internal("states of two kinds")),
        }
        Ok(state.to_json())
    }

    /// Reads a state in any spelling.
    pub(super) fn read(self, json: &str) -> Result<AnyState> {
        let wrong = |error: serde_json::Error| Error::validation(format!("not the state of {self}: {error}"));
        Ok(match self {
            CrdtKind::GCounter => AnyState::GCounter(match GCounter::from_canonical(json) {
                Some(state) => state,
                None => serde_json::from_str(json).map_err(wrong)?,
            }),
            CrdtKind::PnCounter => AnyState::PnCounter(match PnCounter::from_canonical(json) {
                Some(state) => state,
                None => serde_json::from_str(json).map_err(wrong)?,
            }),
            CrdtKind::Lww(of) => AnyState::Lww(Register::from_json(*of, json).map_err(wrong)?),
            CrdtKind::OrSet(of) => AnyState::OrSet(State::of_kind(*of, json).map_err(wrong)?),
            #[cfg(feature = "text")]
            CrdtKind::Text => AnyState::Text(serde_json::from_str(json).map_err(wrong)?),
        })
    }
}

/// The state of some CRDT.
#[derive(Debug)]
pub(super) enum AnyState {
    GCounter(GCounter),
    PnCounter(PnCounter),
    Lww(Register),
    OrSet(State),
    #[cfg(feature = "text")]
    Text(super::Text),
}

impl AnyState {
    pub(super) fn to_json(&self) -> String {
        match self {
            AnyState::GCounter(state) => state.to_json(),
            AnyState::PnCounter(state) => state.to_json(),
            AnyState::Lww(state) => state.to_json(),
            AnyState::OrSet(state) => state.to_json(),
            #[cfg(feature = "text")]
            AnyState::Text(state) => serde_json::to_string(state).expect("a text is a member with a text"),
        }
    }
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
