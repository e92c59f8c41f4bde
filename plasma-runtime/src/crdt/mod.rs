//! Values that two sides may change at once and that still come out the same: conflict-free replicated data types.
//!
//! Each is a pure value with a [`merge`](Crdt::merge) that is commutative, associative and idempotent (a join of a
//! semilattice; Shapiro, Preguiça, Baquero, Zawirski: *A comprehensive study of Convergent and Commutative Replicated
//! Data Types*, INRIA RR-7506, 2011). [`GCounter`], [`PnCounter`] and [`Lww`] are specifications 6, 7 and 9 there,
//! [`OrSet`] is 15. In a column they are kept as JSON in one canonical spelling, so that equal states are equal bytes.

mod column;
mod counter;
pub(crate) mod element;
mod json;
mod kind;
mod or_set;
mod query;
mod register;
mod replica;
mod scan;
mod slots;
mod state;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(feature = "text")]
mod text;

pub use column::BeginsEmpty;
pub use counter::{GCounter, PnCounter};
pub use kind::CrdtKind;
pub use or_set::{ElementFrom, OrSet, SetElement};
pub(crate) use query::{mark, value_of};
pub use register::Lww;
#[cfg(test)]
pub(crate) use register::Register;
pub use replica::{Replica, Tag};
pub(crate) use state::State;
#[cfg(feature = "text")]
pub(crate) use text::{Anchors, Edit};
#[cfg(feature = "text")]
pub use text::{MAX_DOCUMENT, MAX_TEXT, Text};

/// A state that can be brought together with another one.
pub trait Crdt {
    /// Takes in what the other state knows. Afterwards this state is the least one that knows all that either knew: it
    /// does not matter in which order states are merged, nor how often.
    fn merge(&mut self, other: &Self);
}

/// The largest number that every JSON reader keeps exactly: 2^53 - 1.
pub(crate) const MAX_SAFE: u64 = (1 << 53) - 1;
