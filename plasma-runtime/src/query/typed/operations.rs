//! What can be done to a CRDT column. Each of them is a change, for `set`, `with` and `on_conflict_update`; several on
//! one column are done in their order.

use super::assign::Assign;
use super::column::Col;
#[cfg(feature = "text")]
use crate::crdt::Edit;
use crate::crdt::{ElementFrom, GCounter, Lww, OrSet, PnCounter, SetElement, element};
use crate::error::Error;
use crate::mutate::operation::{Add, Count, Remove, Write};
use crate::schema::Scalar;

/// A counter that only grows.
impl<T> Col<T, GCounter> {
    /// Counts up: `tx.update(id).set(Todo::likes.increment(1)).await?`.
    ///
    /// Every mutation counts once, whenever and in whatever order mutations arrive. A client counts no further than
    /// 2^53 - 1: the statement fails with [`Validation`](crate::ErrorKind::Validation) then.
    #[doc(alias = "crdtIncrement")]
    pub fn increment(self, by: u32) -> Assign<T> {
        Assign::operation(self.name(), Count { by, down: false })
    }
}

/// A counter that grows and shrinks.
impl<T> Col<T, PnCounter> {
    /// Counts up: as [of a counter that only grows](Col::<T, GCounter>::increment).
    #[doc(alias = "crdtIncrement")]
    pub fn increment(self, by: u32) -> Assign<T> {
        Assign::operation(self.name(), Count { by, down: false })
    }

    /// Counts down: `tx.update(id).set(Todo::votes.decrement(1)).await?`. The value may become negative.
    #[doc(alias = "crdtDecrement")]
    pub fn decrement(self, by: u32) -> Assign<T> {
        Assign::operation(self.name(), Count { by, down: true })
    }
}

/// A register.
impl<T, V: Scalar> Col<T, Lww<V>> {
    /// Writes: `tx.update(id).set(Todo::status.write(Status::Done)).await?`.
    ///
    /// The write has the time of the mutation's call, or comes right after the write that its caller had seen when that
    /// is later. Of two writes the later one stands, in whatever order they arrive: a write that was made before another
    /// one, offline, and arrives after it, changes nothing.
    #[doc(alias = "crdtSet")]
    #[doc(alias = "crdtWrite")]
    pub fn write(self, value: impl Into<V>) -> Assign<T> {
        let value = value.into().into_value().map(|value| element::to_text(V::KIND, &value));
        Assign::operation(self.name(), Write { value: value.map_err(reason) })
    }
}

/// A set. A value is given as itself, by reference, or, of a text, as `&str`.
impl<T, V: SetElement> Col<T, OrSet<V>> {
    /// Adds a value: `tx.update(id).set(Todo::tags.add("urgent")).await?`.
    ///
    /// An addition wins over a removal whose caller had not seen it. One mutation adds at most 2^19 times to one set.
    #[doc(alias = "crdtAdd")]
    #[expect(clippy::should_implement_trait, reason = "a column is no number; it is what everybody calls it")]
    pub fn add<R>(self, value: R) -> Assign<T>
    where
        V: ElementFrom<R>,
    {
        Assign::operation(self.name(), Add { value: V::element(value).map_err(reason) })
    }

    /// Removes a value, as far as the caller of the mutation had seen it there: `Todo::tags.remove("urgent")`.
    ///
    /// Whoever added the same value at the same time, unseen, keeps it in the set. To remove what is not there changes
    /// nothing.
    #[doc(alias = "crdtRemove")]
    pub fn remove<R>(self, value: R) -> Assign<T>
    where
        V: ElementFrom<R>,
    {
        Assign::operation(self.name(), Remove { value: V::element(value).map_err(reason) })
    }
}

/// A text. Positions count characters (Unicode scalar values) of the text as the statement finds it. When the mutation
/// runs again over a text that others have changed, the edit lands beside the characters its caller saw: see
/// [`Text`](crate::crdt::Text).
#[cfg(feature = "text")]
impl<T> Col<T, crate::crdt::Text> {
    /// Inserts: `tx.update(id).set(Note::body.insert(0, "Dear all, ")).await?`.
    ///
    /// The statement fails with [`Validation`](crate::ErrorKind::Validation) when the position lies behind the end of the
    /// text its caller sees, or the text would become longer than [`MAX_TEXT`](crate::crdt::MAX_TEXT).
    pub fn insert(self, position: usize, text: impl Into<Box<str>>) -> Assign<T> {
        Assign::operation(self.name(), Edit::new(Some(position..position), text))
    }

    /// Deletes a range of characters: `Note::body.delete(0..10)`. Of them those that the caller saw, and no others: what
    /// somebody else wrote between them stays.
    ///
    /// The statement fails with [`Validation`](crate::ErrorKind::Validation) when the range is not in the text.
    pub fn delete(self, range: std::ops::Range<usize>) -> Assign<T> {
        Assign::operation(self.name(), Edit::new(Some(range), ""))
    }

    /// Puts a text in the place of a range of characters: as [`delete`](Self::delete) and [`insert`](Self::insert).
    pub fn replace(self, range: std::ops::Range<usize>, text: impl Into<Box<str>>) -> Assign<T> {
        Assign::operation(self.name(), Edit::new(Some(range), text))
    }

    /// Inserts at the end: `Note::body.push_str("Yours, Ada")`.
    pub fn push_str(self, text: impl Into<Box<str>>) -> Assign<T> {
        Assign::operation(self.name(), Edit::new(None, text))
    }
}

/// Why a value cannot be stored: said when the statement is run.
fn reason(error: Error) -> String {
    error.message().to_owned()
}
