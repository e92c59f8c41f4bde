//! The same histories in the `crdts` crate, which was written by others: after every step each replica shows the same.

use crdts::{CmRDT as _, CvRDT as _};
use proptest::prelude::*;

use super::model::{Deed, Model, REPLICAS, any_history, replica, word};
use crate::crdt::{Crdt as _, GCounter, Lww, OrSet, PnCounter, Replica};

/// The other implementation.
trait Theirs: Clone {
    type Ours: Model;
    fn new() -> Self;
    /// After our side has taken the step, as which place in time it did.
    fn step(&mut self, who: usize, deed: Deed, n: u8, ours: &Self::Ours);
    fn hear(&mut self, other: Self);
    /// Whether both show the same.
    fn shows(&self, ours: &Self::Ours) -> bool;
}

impl Theirs for crdts::GCounter<usize> {
    type Ours = GCounter;
    fn new() -> Self {
        Self::default()
    }
    fn step(&mut self, who: usize, _: Deed, n: u8, _: &GCounter) {
        self.apply(self.inc_many(who, n.into()));
    }
    fn hear(&mut self, other: Self) {
        self.merge(other);
    }
    fn shows(&self, ours: &GCounter) -> bool {
        self.read() == (ours.value() as u64).into()
    }
}

impl Theirs for crdts::PNCounter<usize> {
    type Ours = PnCounter;
    fn new() -> Self {
        Self::default()
    }
    fn step(&mut self, who: usize, deed: Deed, n: u8, _: &PnCounter) {
        let op = if deed == Deed::Undo { self.dec_many(who, n.into()) } else { self.inc_many(who, n.into()) };
        self.apply(op);
    }
    fn hear(&mut self, other: Self) {
        self.merge(other);
    }
    fn shows(&self, ours: &PnCounter) -> bool {
        self.read() == ours.value().into()
    }
}

/// Its markers are given from outside: ours.
impl Theirs for crdts::LWWReg<String, (u64, Replica)> {
    type Ours = Lww<String>;
    fn new() -> Self {
        crdts::LWWReg { val: String::new(), marker: (0, Replica::from_bytes([0; 8])) }
    }
    fn step(&mut self, _: usize, _: Deed, n: u8, ours: &Lww<String>) {
        self.update(word(n), (ours.written_at(), ours.written_by()));
    }
    fn hear(&mut self, other: Self) {
        self.merge(other);
    }
    fn shows(&self, ours: &Lww<String>) -> bool {
        self.val == *ours.value()
    }
}

impl Theirs for crdts::Orswot<String, usize> {
    type Ours = OrSet<String>;
    fn new() -> Self {
        Self::default()
    }
    fn step(&mut self, who: usize, deed: Deed, n: u8, _: &OrSet<String>) {
        let op = match deed {
            Deed::Undo => self.rm(word(n), self.contains(&word(n)).derive_rm_ctx()),
            _ => self.add(word(n), self.read_ctx().derive_add_ctx(who)),
        };
        self.apply(op);
    }
    fn hear(&mut self, other: Self) {
        self.merge(other);
    }
    fn shows(&self, ours: &OrSet<String>) -> bool {
        let mut theirs: Vec<String> = self.read().val.into_iter().collect();
        let mut ours = ours.values();
        theirs.sort();
        ours.sort();
        theirs == ours
    }
}

fn agree<T: Theirs>(history: &[(usize, Deed, u8)]) -> Result<(), TestCaseError> {
    let mut pairs: Vec<(T::Ours, T)> = (0..REPLICAS).map(|_| (T::Ours::new(), T::new())).collect();
    for (at, (who, deed, n)) in history.iter().enumerate() {
        let (ours, theirs) = match deed {
            Deed::Hear => {
                let (our, their) = pairs[usize::from(*n) % REPLICAS].clone();
                let (ours, theirs) = &mut pairs[*who];
                ours.merge(&our);
                theirs.hear(their);
                (ours, theirs)
            }
            deed => {
                let (ours, theirs) = &mut pairs[*who];
                ours.step(*who, *deed, *n, at + 1);
                theirs.step(*who, *deed, *n, ours);
                (ours, theirs)
            }
        };
        prop_assert!(theirs.shows(ours), "step {at} of {who}: {ours:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn grow_only_counters_count_the_same(history in any_history()) {
        agree::<crdts::GCounter<usize>>(&history)?;
    }

    #[test]
    fn counters_count_the_same(history in any_history()) {
        agree::<crdts::PNCounter<usize>>(&history)?;
    }

    #[test]
    fn registers_hold_the_same(history in any_history()) {
        agree::<crdts::LWWReg<String, (u64, Replica)>>(&history)?;
    }

    #[test]
    fn sets_have_the_same_elements(history in any_history()) {
        agree::<crdts::Orswot<String, usize>>(&history)?;
    }
}

#[test]
fn the_replicas_differ() {
    let all: std::collections::BTreeSet<Replica> = (0..REPLICAS).map(replica).collect();
    assert_eq!(all.len(), REPLICAS);
}
