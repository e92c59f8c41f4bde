//! A set in which additions win over removals that have not seen them.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Crdt, Replica, Tag};
use crate::error::{Error, Result};
use crate::schema::ColumnType;
use crate::value::json;

/// A set to which several may add and from which several may remove at once. Each addition has a tag of its own; a
/// removal takes away the tags it has seen, and so never an addition it does not know of.
///
/// JSON: `{"adds":[[value,["<replica>:<seq>",..]],..],"dels":["<replica>:<seq>",..]}`; values in order of the bytes of
/// their JSON, tags in order.
#[derive(Clone)]
pub struct OrSet<T> {
    pub(super) state: State,
    types: PhantomData<fn() -> T>,
}

/// A set whose elements are the JSON texts of their values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct State {
    /// In order of the text; each with at least one tag, in order.
    pub(crate) adds: Vec<(Box<str>, Vec<Tag>)>,
    /// Tags that were removed, in order; none of them is in `adds`.
    pub(crate) dels: Vec<Tag>,
}

impl State {
    fn place(&self, element: &str) -> std::result::Result<usize, usize> {
        self.adds.binary_search_by(|(text, _)| (**text).cmp(element))
    }

    /// The tags of an element.
    pub(crate) fn tags(&self, element: &str) -> &[Tag] {
        self.place(element).map_or(&[], |at| &self.adds[at].1)
    }

    pub(crate) fn add(&mut self, element: &str, tag: Tag) {
        if self.dels.binary_search(&tag).is_ok() {
            return;
        }
        match self.place(element) {
            Ok(at) => {
                if let Err(place) = self.adds[at].1.binary_search(&tag) {
                    self.adds[at].1.insert(place, tag);
                }
            }
            Err(at) => self.adds.insert(at, (element.into(), vec![tag])),
        }
    }

    /// Removes those tags of an element that `seen` names, and remembers them.
    pub(crate) fn remove(&mut self, element: &str, seen: impl Fn(&Tag) -> bool) {
        let Ok(at) = self.place(element) else { return };
        let (gone, kept): (Vec<Tag>, Vec<Tag>) = self.adds[at].1.iter().partition(|tag| seen(tag));
        if kept.is_empty() {
            self.adds.remove(at);
        } else {
            self.adds[at].1 = kept;
        }
        self.dels = union(&self.dels, &gone);
    }

    /// Whether the tag was ever added, as far as the state knows.
    pub(crate) fn holds(&self, tag: &Tag) -> bool {
        let there = self.adds.iter().any(|(_, tags)| tags.binary_search(tag).is_ok());
        there || self.dels.binary_search(tag).is_ok()
    }

    /// Leaves out the tags of elements for which `stays` is false, as if they had never been there.
    pub(crate) fn keep(&mut self, stays: impl Fn(&str, &Tag) -> bool) {
        self.adds.retain_mut(|(element, tags)| {
            tags.retain(|tag| stays(element, tag));
            !tags.is_empty()
        });
    }

    /// Forgets removed tags that nobody can bring back.
    pub(crate) fn forget(&mut self, cannot_return: impl Fn(&Tag) -> bool) {
        self.dels.retain(|tag| !cannot_return(tag));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let dels = union(&self.dels, &other.dels);
        let alive =
            |tags: Vec<Tag>| -> Vec<Tag> { tags.into_iter().filter(|tag| dels.binary_search(tag).is_err()).collect() };
        let mut adds = Vec::with_capacity(self.adds.len().max(other.adds.len()));
        let mut push = |text: Box<str>, tags: Vec<Tag>| {
            let tags = alive(tags);
            if !tags.is_empty() {
                adds.push((text, tags));
            }
        };
        let (mut mine, mut theirs) =
            (std::mem::take(&mut self.adds).into_iter().peekable(), other.adds.iter().peekable());
        loop {
            let order = match (mine.peek(), theirs.peek()) {
                (Some(mine), Some(theirs)) => mine.0.cmp(&theirs.0),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            match order {
                Ordering::Less => mine.next().into_iter().for_each(|(text, tags)| push(text, tags)),
                Ordering::Greater => {
                    theirs.next().into_iter().for_each(|(text, tags)| push(text.clone(), tags.clone()))
                }
                Ordering::Equal => {
                    if let (Some((text, tags)), Some((_, more))) = (mine.next(), theirs.next()) {
                        push(text, union(&tags, more));
                    }
                }
            }
        }
        *self = State { adds, dels };
    }

    /// The canonical JSON.
    pub(crate) fn to_json(&self) -> String {
        use fmt::Write as _;
        let mut out = String::with_capacity(self.adds.len() * 40 + 24);
        out.push_str(r#"{"adds":["#);
        for (at, (text, tags)) in self.adds.iter().enumerate() {
            out.push_str(if at == 0 { "[" } else { ",[" });
            out.push_str(text);
            out.push_str(",[");
            for (at, tag) in tags.iter().enumerate() {
                // Writing to a String cannot fail.
                let _ = write!(out, "{}\"{tag}\"", if at == 0 { "" } else { "," });
            }
            out.push_str("]]");
        }
        out.push_str(r#"],"dels":["#);
        for (at, tag) in self.dels.iter().enumerate() {
            let _ = write!(out, "{}\"{tag}\"", if at == 0 { "" } else { "," });
        }
        out.push_str("]}");
        out
    }

    /// Reads a state. Elements and tags may stand in any order; the order is made canonical.
    pub(crate) fn from_json(text: &str) -> serde_json::Result<State> {
        use serde::de::Error as _;
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Parts<'a> {
            #[serde(borrow)]
            adds: Vec<(&'a serde_json::value::RawValue, Vec<Tag>)>,
            dels: Vec<Tag>,
        }
        let Parts { adds, mut dels } = serde_json::from_str(text)?;
        dels.sort_unstable();
        let mut all = Vec::with_capacity(adds.len());
        let mut tagged = Vec::with_capacity(adds.len());
        for (element, mut tags) in adds {
            if tags.is_empty() {
                return Err(serde_json::Error::custom("an element of a set has no tag"));
            }
            tags.sort_unstable();
            tagged.extend_from_slice(&tags);
            all.push((Box::<str>::from(element.get()), tags));
        }
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        tagged.extend_from_slice(&dels);
        tagged.sort_unstable();
        if all.windows(2).any(|two| two[0].0 == two[1].0) || tagged.windows(2).any(|two| two[0] == two[1]) {
            return Err(serde_json::Error::custom("an element or a tag of a set comes twice"));
        }
        Ok(State { adds: all, dels })
    }
}

/// Two ordered lists as one, each tag once.
fn union(a: &[Tag], b: &[Tag]) -> Vec<Tag> {
    let mut all = [a, b].concat();
    all.sort_unstable();
    all.dedup();
    all
}

impl<T> Default for OrSet<T> {
    fn default() -> Self {
        OrSet { state: State::default(), types: PhantomData }
    }
}
impl<T> PartialEq for OrSet<T> {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
    }
}
impl<T> Eq for OrSet<T> {}
impl<T> fmt::Debug for OrSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OrSet").field(&self.state).finish()
    }
}

impl<T> Crdt for OrSet<T> {
    fn merge(&mut self, other: &Self) {
        self.state.merge(&other.state);
    }
}
