//! Histories of four replicas: what they do to their own states, and when they hear of each other.

use std::fmt::Debug;

use proptest::prelude::*;

use crate::crdt::{Crdt, CrdtKind, GCounter, Lww, OrSet, PnCounter, Replica, Tag};
use crate::schema::{ColumnType, Scalar};
use crate::value::json::tests::any_value;
use crate::value::{Timestamp, Value};

/// How many replicas there are.
pub(super) const REPLICAS: usize = 4;

/// One step: who does it, what it is, and with which small number.
pub(super) type Step = (usize, Deed, u8);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Deed {
    /// Counts up, writes, adds.
    Do,
    /// Counts down, writes, removes.
    Undo,
    /// Takes in the state of another one.
    Hear,
}

pub(super) fn any_history() -> impl Strategy<Value = Vec<Step>> {
    let deed = prop_oneof![4 => Just(Deed::Do), 2 => Just(Deed::Undo), 2 => Just(Deed::Hear)];
    prop::collection::vec((0..REPLICAS, deed, any::<u8>()), 0..60)
}

pub(super) fn replica(who: usize) -> Replica {
    Replica::of_client(["phone", "laptop", "tablet", "watch"][who])
}

/// A few values, so that replicas meet at them.
pub(super) fn word(n: u8) -> String {
    ["", "a", "b", "é", "\"", "a\n", "[\"a\",[\"", "\u{1f600}"][usize::from(n % 8)].to_owned()
}

/// A clock that goes back and forth.
pub(super) fn clock(at: usize, n: u8) -> Timestamp {
    Timestamp::from_micros((at as i64 + i64::from(n % 16) * 4 - 30) * 1_000)
}

/// A CRDT that steps can be applied to.
pub(super) trait Model: Crdt + ColumnType + Clone + PartialEq + Debug {
    fn new() -> Self;

    /// The `at`-th step of all. It never is [`Deed::Hear`].
    fn step(&mut self, who: usize, deed: Deed, n: u8, at: usize);

    /// Whether all that is known here is known there.
    fn is_known_by(&self, other: &Self) -> bool;

    fn kind() -> CrdtKind {
        match Self::KIND {
            crate::value::Kind::Crdt(kind) => kind,
            _ => panic!("no CRDT"),
        }
    }

    fn json(&self) -> String {
        match self.clone().into_value().unwrap() {
            Value::Json(json) => json,
            other => panic!("{other:?}"),
        }
    }
}

impl Model for GCounter {
    fn new() -> Self {
        GCounter::default()
    }
    fn step(&mut self, who: usize, _: Deed, n: u8, _: usize) {
        self.increment(replica(who), u32::from(n)).unwrap();
    }
    fn is_known_by(&self, other: &Self) -> bool {
        (0..REPLICAS).all(|who| self.of(replica(who)) <= other.of(replica(who)))
    }
}

impl Model for PnCounter {
    fn new() -> Self {
        PnCounter::default()
    }
    fn step(&mut self, who: usize, deed: Deed, n: u8, _: usize) {
        match deed {
            Deed::Undo => self.decrement(replica(who), u32::from(n)).unwrap(),
            _ => self.increment(replica(who), u32::from(n)).unwrap(),
        }
    }
    fn is_known_by(&self, other: &Self) -> bool {
        let halves = |counter: &Self| {
            let json: serde_json::Value = serde_json::from_str(&counter.json()).unwrap();
            let slot = |half: &str, who| json[half][replica(who).to_string()].as_u64().unwrap_or(0);
            (0..REPLICAS).flat_map(|who| [slot("p", who), slot("n", who)]).collect::<Vec<_>>()
        };
        halves(self).iter().zip(halves(other)).all(|(mine, theirs)| *mine <= theirs)
    }
}

impl Model for Lww<String> {
    fn new() -> Self {
        Lww::new(String::new())
    }
    fn step(&mut self, who: usize, _: Deed, n: u8, at: usize) {
        self.set(replica(who), word(n), clock(at, n));
    }
    fn is_known_by(&self, other: &Self) -> bool {
        let place = |register: &Self| (register.written_at(), register.written_by());
        self == other || place(self) < place(other)
    }
}

impl Model for OrSet<String> {
    fn new() -> Self {
        OrSet::default()
    }
    fn step(&mut self, who: usize, deed: Deed, n: u8, at: usize) {
        match deed {
            Deed::Undo => {
                self.remove(word(n));
            }
            _ => self.add(replica(who), at as u64, word(n)).unwrap(),
        }
    }
    fn is_known_by(&self, other: &Self) -> bool {
        let (mine, theirs) = (&self.state, &other.state);
        let knows = |text: &str, tag: &Tag| theirs.tags(text).contains(tag) || theirs.dels.contains(tag);
        mine.dels.iter().all(|tag| theirs.dels.contains(tag))
            && mine.adds.iter().all(|(text, tags)| tags.iter().all(|tag| knows(text, tag)))
    }
}

/// The states of the replicas after a history.
pub(super) fn states<M: Model>(history: &[Step]) -> Vec<M> {
    let mut states = vec![M::new(); REPLICAS];
    for (at, (who, deed, n)) in history.iter().enumerate() {
        match deed {
            Deed::Hear => {
                let other = states[usize::from(*n) % REPLICAS].clone();
                states[*who].merge(&other);
            }
            deed => states[*who].step(*who, *deed, *n, at + 1),
        }
    }
    states
}

/// The JSON of some state of a column's kind, for tests of what stores and sends columns.
pub(crate) fn any_state(kind: CrdtKind) -> BoxedStrategy<String> {
    fn last<M: Model>(history: &[Step]) -> String {
        states::<M>(history).remove(0).json()
    }
    let text = |kind, value: &Value| crate::crdt::element::to_text(kind, value);
    match kind {
        CrdtKind::GCounter => any_history().prop_map(|history| last::<GCounter>(&history)).boxed(),
        CrdtKind::PnCounter => any_history().prop_map(|history| last::<PnCounter>(&history)).boxed(),
        CrdtKind::Lww(of) => (any_value(*of), 0..=crate::crdt::MAX_SAFE, 0..REPLICAS)
            .prop_map(move |(value, ts, who)| Lww::at(text(*of, &value).into(), ts, replica(who)).to_json())
            .boxed(),
        #[cfg(feature = "text")]
        CrdtKind::Text => prop::collection::vec(("[^\\x00]{0,5}", 0..REPLICAS), 0..4)
            .prop_map(|pieces| {
                let mut text = crate::crdt::Text::default();
                pieces.iter().for_each(|(piece, who)| text.push_str(replica(*who), piece).unwrap());
                serde_json::to_string(&text).unwrap()
            })
            .boxed(),
        CrdtKind::OrSet(of) => prop::collection::vec((any_value(*of), 0..REPLICAS, any::<u64>()), 0..6)
            .prop_map(move |additions| {
                let mut state = crate::crdt::state::State::default();
                for (value, who, seq) in additions {
                    let element = text(*of, &value);
                    state.add(&element, Tag { replica: replica(who), seq });
                    if seq % 4 == 0 {
                        state.remove(&element, |_| true);
                    }
                }
                state.to_json()
            })
            .boxed(),
    }
}

/// A scalar's value as the JSON that stands in a state.
pub(super) fn wire<T: Scalar>(value: T) -> String {
    crate::crdt::element::to_text(T::KIND, &value.into_value().unwrap())
}
