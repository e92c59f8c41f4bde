//! A set in which additions win over removals that have not seen them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::state::State;
use super::{Crdt, Replica, Tag, element};
use crate::error::Result;
use crate::schema::{Id, Scalar, Table};
use crate::value::{BlindIndex, Date, Fixed, Timestamp};

/// A set to which several may add and from which several may remove at once. Each addition has a tag of its own; a
/// removal takes away the tags it has seen, and so never an addition it does not know of.
///
/// JSON: `{"adds":[[value,["<replica>:<seq>",..]],..],"dels":["<replica>:<seq>",..]}`; values in order of the bytes of
/// their JSON, tags in order.
///
/// ```
/// use plasma_runtime::crdt::{Crdt as _, OrSet, Replica};
///
/// let (phone, laptop) = (Replica::of_client("phone"), Replica::of_client("laptop"));
/// let mut tags = OrSet::<String>::default();
/// tags.add(phone, 1, "home")?;
/// let mut elsewhere = tags.clone();
/// tags.remove("home");
/// // This addition the removal has not seen.
/// elsewhere.add(laptop, 1, "home")?;
/// tags.merge(&elsewhere);
/// assert!(tags.contains("home"));
/// # Ok::<(), plasma_runtime::Error>(())
/// ```
#[derive(Clone)]
pub struct OrSet<T> {
    pub(crate) state: State,
    types: PhantomData<fn() -> T>,
}

/// Column types that a set can hold: two of them are equal exactly when their stored forms are.
///
/// Texts, ids, integers, `bool`, `Date`, `Timestamp`, `Fixed<N>`, `BlindIndex` and what `#[derive(plasma::Column)]` makes of them.
#[diagnostic::on_unimplemented(
    message = "an `OrSet` cannot hold `{Self}`",
    label = "expected a text, an id, an integer, `bool`, a date, a timestamp, a `Fixed<N>`, or a `derive(Column)` of them",
    note = "a set must see that two elements are equal: floats, JSON and files have no such equality",
    note = "an encrypted value has a new nonce each time it is encrypted, so equal elements never look equal: keep an `OrSet<BlindIndex>`, and a table of the sealed names beside it"
)]
pub trait SetElement: Scalar {}

#[diagnostic::do_not_recommend]
impl SetElement for String {}
#[diagnostic::do_not_recommend]
impl SetElement for i32 {}
#[diagnostic::do_not_recommend]
impl SetElement for i64 {}
#[diagnostic::do_not_recommend]
impl SetElement for bool {}
#[diagnostic::do_not_recommend]
impl SetElement for Date {}
#[diagnostic::do_not_recommend]
impl SetElement for Timestamp {}
#[diagnostic::do_not_recommend]
impl<const N: u8> SetElement for Fixed<N> where Self: Scalar {}
#[diagnostic::do_not_recommend]
impl<X: Table> SetElement for Id<X> {}
#[diagnostic::do_not_recommend]
impl SetElement for BlindIndex {}

/// What stands for an element of type `Self`: the value, a reference to it, `&str` for `String`.
#[diagnostic::on_unimplemented(
    message = "`{R}` is no element of an `OrSet<{Self}>`",
    label = "expected a value that fits `{Self}`"
)]
pub trait ElementFrom<R>: SetElement {
    /// The element as JSON text in the wire form of its kind.
    ///
    /// # Errors
    /// Those of [`ColumnType::into_value`](crate::schema::ColumnType::into_value).
    #[doc(hidden)]
    fn element(value: R) -> Result<String>;
}

impl<T: SetElement> ElementFrom<T> for T {
    fn element(value: T) -> Result<String> {
        Ok(element::to_text(T::KIND, &value.into_value()?))
    }
}
impl<T: SetElement + Clone> ElementFrom<&T> for T {
    fn element(value: &T) -> Result<String> {
        T::element(value.clone())
    }
}
impl ElementFrom<&str> for String {
    fn element(value: &str) -> Result<String> {
        <String as ElementFrom<String>>::element(value.to_owned())
    }
}

impl<T> OrSet<T> {
    pub(crate) fn from_state(state: State) -> Self {
        OrSet { state, types: PhantomData }
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.state.adds.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.state.adds.is_empty()
    }
}

impl<T: SetElement> OrSet<T> {
    /// Adds an element. `seq` numbers the additions of the replica: it may use each number once in this set.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when the value cannot be stored: text with U+0000.
    pub fn add<R>(&mut self, replica: Replica, seq: u64, value: R) -> Result<()>
    where
        T: ElementFrom<R>,
    {
        self.state.add(&T::element(value)?, Tag { replica, seq });
        Ok(())
    }

    /// Removes an element with all its tags; whether it was there. An addition that this state does not know of stays.
    pub fn remove<R>(&mut self, value: R) -> bool
    where
        T: ElementFrom<R>,
    {
        // What cannot be stored is not in it.
        let Ok(element) = T::element(value) else { return false };
        let there = !self.state.tags(&element).is_empty();
        self.state.remove(&element, |_| true);
        there
    }

    /// Whether the element is there.
    pub fn contains<R>(&self, value: R) -> bool
    where
        T: ElementFrom<R>,
    {
        T::element(value).is_ok_and(|element| !self.state.tags(&element).is_empty())
    }

    /// The elements, in order of the bytes of their JSON.
    pub fn values(&self) -> Vec<T> {
        self.try_values().expect("whoever made the set has read its elements")
    }

    pub(super) fn try_values(&self) -> Result<Vec<T>> {
        let value = |(text, _): &(Box<str>, Vec<Tag>)| T::from_value(element::to_value(T::KIND, text)?);
        self.state.adds.iter().map(value).collect()
    }
}

impl<T> Default for OrSet<T> {
    fn default() -> Self {
        OrSet::from_state(State::default())
    }
}
impl<T> PartialEq for OrSet<T> {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
    }
}
impl<T> Eq for OrSet<T> {}
impl<T> Hash for OrSet<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.state.hash(hasher);
    }
}
impl<T> fmt::Debug for OrSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut elements = f.debug_set();
        for (text, _) in &self.state.adds {
            elements.entry(&format_args!("{text}"));
        }
        elements.finish()
    }
}

impl<T> Crdt for OrSet<T> {
    fn merge(&mut self, other: &Self) {
        self.state.merge(&other.state);
    }
}

/// The form of a column, with the elements as their own serde writes them.
impl<T: SetElement + Serialize> Serialize for OrSet<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tags = self.state.adds.iter().map(|(_, tags)| tags);
        let adds: Vec<(T, &Vec<Tag>)> = self.values().into_iter().zip(tags).collect();
        let mut parts = serializer.serialize_struct("OrSet", 2)?;
        parts.serialize_field("adds", &adds)?;
        parts.serialize_field("dels", &self.state.dels)?;
        parts.end()
    }
}

impl<'de, T: SetElement + DeserializeOwned> Deserialize<'de> for OrSet<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, bound = "T: DeserializeOwned")]
        struct Parts<T> {
            adds: Vec<(T, Vec<Tag>)>,
            dels: Vec<Tag>,
        }
        use serde::de::Error as _;
        let Parts { adds, dels } = Parts::<T>::deserialize(deserializer)?;
        let adds = adds.into_iter().map(|(value, tags)| Ok((T::element(value)?.into(), tags)));
        let adds = adds.collect::<Result<_>>().map_err(D::Error::custom)?;
        State::of_parts(adds, dels).map(OrSet::from_state).map_err(D::Error::custom)
    }
}
