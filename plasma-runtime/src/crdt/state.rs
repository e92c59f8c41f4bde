//! The state of a set, whatever its elements are.

use std::cmp::Ordering;

use serde::Deserialize;
use serde::de::Error as _;
use serde_json::value::RawValue;

use super::scan::Scan;
use super::{Tag, element};
use crate::value::Kind;

/// A set whose elements are the JSON texts of their values, each in its one spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct State {
    /// In order of the text; each with at least one tag, in order.
    pub(crate) adds: Vec<(Box<str>, Vec<Tag>)>,
    /// Tags that were removed, in order; none of them is in `adds`.
    pub(crate) dels: Vec<Tag>,
}

impl State {
    fn place(&self, element: &str) -> Result<usize, usize> {
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
        join(&mut self.dels, &gone);
        // A tag that stands at two elements (no replica makes one) is gone at both.
        if self.adds.iter().any(|(_, tags)| tags.iter().any(|tag| gone.contains(tag))) {
            self.drop_removed();
        }
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
        let removed_here = self.dels.len();
        join(&mut self.dels, &other.dels);
        let (dels, removed_more) = (&self.dels, self.dels.len() > removed_here);
        let is_alive = |tag: &Tag| dels.is_empty() || dels.binary_search(tag).is_err();
        let mut mine = std::mem::take(&mut self.adds).into_iter().peekable();
        let mut adds = Vec::with_capacity(mine.len().max(other.adds.len()));
        for (text, theirs) in &other.adds {
            // Those that only this side has.
            while let Some((element, mut tags)) = mine.next_if(|(element, _)| element < text) {
                if removed_more {
                    tags.retain(is_alive);
                }
                if !tags.is_empty() {
                    adds.push((element, tags));
                }
            }
            match mine.next_if(|(element, _)| element == text) {
                Some((element, mut tags)) => {
                    if tags != *theirs {
                        join(&mut tags, theirs);
                    }
                    tags.retain(is_alive);
                    if !tags.is_empty() {
                        adds.push((element, tags));
                    }
                }
                None => {
                    if theirs.iter().any(is_alive) {
                        adds.push((text.clone(), theirs.iter().copied().filter(is_alive).collect()));
                    }
                }
            }
        }
        for (element, mut tags) in mine {
            if removed_more {
                tags.retain(is_alive);
            }
            if !tags.is_empty() {
                adds.push((element, tags));
            }
        }
        self.adds = adds;
    }

    fn drop_removed(&mut self) {
        let dels = &self.dels;
        self.adds.retain_mut(|(_, tags)| {
            tags.retain(|tag| dels.binary_search(tag).is_err());
            !tags.is_empty()
        });
    }

    /// The canonical JSON.
    pub(crate) fn to_json(&self) -> String {
        let mut out = String::with_capacity(self.adds.len() * 48 + self.dels.len() * 28 + 24);
        out.push_str(r#"{"adds":["#);
        for (at, (text, tags)) in self.adds.iter().enumerate() {
            out.push_str(if at == 0 { "[" } else { ",[" });
            out.push_str(text);
            out.push(',');
            push_tags(tags, &mut out);
            out.push(']');
        }
        out.push_str(r#"],"dels":"#);
        push_tags(&self.dels, &mut out);
        out.push('}');
        out
    }

    /// Reads a state that stands in a column, in any spelling but for its elements, which are in theirs.
    pub(crate) fn from_json(json: &str) -> serde_json::Result<State> {
        match scan(json, |_| true) {
            Some(state) => Ok(state),
            None => State::read(json, |text| Some(text.into())),
        }
    }

    /// Reads a state in any spelling, elements of this kind.
    pub(super) fn of_kind(kind: Kind, json: &str) -> serde_json::Result<State> {
        match scan(json, |text| element::is_plain(kind, text)) {
            Some(state) => Ok(state),
            None => State::read(json, |text| element::canonical(kind, text).map(Box::from)),
        }
    }

    /// Whether it is the one spelling of a state.
    pub(super) fn is_canonical(kind: Kind, json: &str) -> bool {
        scan(json, |text| element::is_plain(kind, text)).is_some()
            || State::of_kind(kind, json).is_ok_and(|state| state.to_json() == json)
    }

    fn read(json: &str, element: impl Fn(&str) -> Option<Box<str>>) -> serde_json::Result<State> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Parts<'a> {
            #[serde(borrow)]
            adds: Vec<(&'a RawValue, Vec<Tag>)>,
            dels: Vec<Tag>,
        }
        let Parts { adds, dels } = serde_json::from_str(json)?;
        let adds = adds.into_iter().map(|(raw, tags)| match element(raw.get()) {
            Some(text) => Ok((text, tags)),
            None => Err(serde_json::Error::custom("an element of a set has another type")),
        });
        State::of_parts(adds.collect::<serde_json::Result<_>>()?, dels).map_err(serde_json::Error::custom)
    }

    /// The state of elements and tags in any order; what is wrong with them.
    pub(super) fn of_parts(mut adds: Vec<(Box<str>, Vec<Tag>)>, mut dels: Vec<Tag>) -> Result<State, &'static str> {
        adds.iter_mut().for_each(|(_, tags)| tags.sort_unstable());
        adds.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        dels.sort_unstable();
        if adds.iter().any(|(_, tags)| tags.is_empty() || has_twice(tags)) {
            return Err("an element of a set has no tag, or one twice");
        }
        if adds.windows(2).any(|two| two[0].0 == two[1].0) || has_twice(&dels) {
            return Err("an element or a removed tag of a set comes twice");
        }
        if adds.iter().any(|(_, tags)| tags.iter().any(|tag| dels.binary_search(tag).is_ok())) {
            return Err("a tag of a set is both there and removed");
        }
        Ok(State { adds, dels })
    }
}

/// Reads the canonical JSON and no other spelling. Elements are plain values, and ones that `is_element` knows.
pub(super) fn scan(json: &str, is_element: impl Fn(&str) -> bool) -> Option<State> {
    let mut scan = Scan::new(json);
    let mut adds: Vec<(Box<str>, Vec<Tag>)> = Vec::new();
    scan.expect("{\"adds\":[")?;
    while !scan.eat("]") {
        scan.expect(if adds.is_empty() { "[" } else { ",[" })?;
        let text = scan.scalar().filter(|text| is_element(text))?;
        if adds.last().is_some_and(|(last, _)| **last >= *text) {
            return None;
        }
        scan.expect(",")?;
        let tags = scan_tags(&mut scan)?;
        scan.expect("]")?;
        if tags.is_empty() {
            return None;
        }
        adds.push((text.into(), tags));
    }
    scan.expect(",\"dels\":")?;
    let dels = scan_tags(&mut scan)?;
    scan.expect("}")?;
    scan.end()?;
    let removed = |tag: &Tag| dels.binary_search(tag).is_ok();
    let both = !dels.is_empty() && adds.iter().any(|(_, tags)| tags.iter().any(removed));
    (!both).then_some(State { adds, dels })
}

fn scan_tags(scan: &mut Scan<'_>) -> Option<Vec<Tag>> {
    scan.expect("[")?;
    if scan.eat("]") {
        return Some(Vec::new());
    }
    // Most elements have one.
    let mut tags = Vec::with_capacity(1);
    tags.push(scan.tag()?);
    while scan.eat(",") {
        let tag = scan.tag()?;
        if tags.last().is_some_and(|last| *last >= tag) {
            return None;
        }
        tags.push(tag);
    }
    scan.expect("]")?;
    Some(tags)
}

fn push_tags(tags: &[Tag], out: &mut String) {
    out.push('[');
    for (at, tag) in tags.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        tag.push_to(out);
    }
    out.push(']');
}

fn has_twice(tags: &[Tag]) -> bool {
    tags.windows(2).any(|two| two[0] == two[1])
}

/// Adds the tags of another ordered list, each once.
fn join(tags: &mut Vec<Tag>, more: &[Tag]) {
    match (tags.last(), more.first()) {
        (_, None) => {}
        (Some(last), Some(first)) if first.cmp(last) != Ordering::Greater => {
            tags.extend_from_slice(more);
            // Two runs: the sort sees them as such.
            tags.sort();
            tags.dedup();
        }
        _ => tags.extend_from_slice(more),
    }
}
