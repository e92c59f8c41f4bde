//! What each replica has counted.

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::replica::push_number;
use super::scan::Scan;
use super::{MAX_SAFE, Replica};
use crate::error::{Error, Result};

/// The slots of a counter in order of their replicas, none of them 0: equal counts are equal lists.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Slots(Vec<(Replica, u64)>);

impl Slots {
    fn place(&self, replica: Replica) -> std::result::Result<usize, usize> {
        self.0.binary_search_by_key(&replica, |(replica, _)| *replica)
    }

    pub(super) fn of(&self, replica: Replica) -> u64 {
        self.place(replica).map_or(0, |at| self.0[at].1)
    }

    /// Counts `by` more; nothing changes when that is too much.
    pub(super) fn count(&mut self, replica: Replica, by: u32) -> Result<()> {
        let place = self.place(replica);
        let slot = place.map_or(0, |at| self.0[at].1) + u64::from(by);
        if slot > MAX_SAFE {
            return Err(Error::validation(format!("one client cannot count further than {MAX_SAFE}")));
        }
        match place {
            Ok(at) => self.0[at].1 = slot,
            Err(at) if slot > 0 => self.0.insert(at, (replica, slot)),
            Err(_) => {}
        }
        Ok(())
    }

    /// The sum; the largest number when it is more.
    pub(super) fn sum(&self) -> i64 {
        let sum = self.0.iter().fold(0u64, |sum, (_, slot)| sum.saturating_add(*slot));
        i64::try_from(sum).unwrap_or(i64::MAX)
    }

    /// The larger of each two slots.
    pub(super) fn merge(&mut self, other: &Self) {
        // Mostly the other side knows nobody that is not known here.
        let mut at = 0;
        let mut unknown = 0;
        for (replica, slot) in &other.0 {
            // The next one, mostly; else looked for.
            at += usize::from(self.0.get(at).is_some_and(|(mine, _)| mine < replica));
            if self.0.get(at).is_some_and(|(mine, _)| mine < replica) {
                at += self.0[at..].partition_point(|(mine, _)| mine < replica);
            }
            match self.0.get_mut(at) {
                Some((mine, kept)) if mine == replica => *kept = (*kept).max(*slot),
                _ => unknown += 1,
            }
        }
        if unknown == 0 {
            return;
        }
        let all = Vec::with_capacity(self.0.len() + unknown);
        let mut mine = std::mem::replace(&mut self.0, all).into_iter().peekable();
        for (replica, slot) in &other.0 {
            while let Some(before) = mine.next_if(|(known, _)| known < replica) {
                self.0.push(before);
            }
            // What both know is merged already.
            self.0.push(mine.next_if(|(known, _)| known == replica).unwrap_or((*replica, *slot)));
        }
        self.0.extend(mine);
    }

    /// Appends the JSON.
    pub(super) fn push_to(&self, out: &mut String) {
        out.reserve(self.0.len() * 24 + 2);
        out.push('{');
        for (at, (replica, slot)) in self.0.iter().enumerate() {
            out.push_str(if at == 0 { "\"" } else { ",\"" });
            replica.push_to(out);
            out.push_str("\":");
            push_number(*slot, out);
        }
        out.push('}');
    }

    /// Reads the canonical JSON.
    pub(super) fn scan(scan: &mut Scan<'_>) -> Option<Self> {
        let mut slots: Vec<(Replica, u64)> = Vec::new();
        scan.expect("{")?;
        while !scan.eat("}") {
            scan.expect(if slots.is_empty() { "\"" } else { ",\"" })?;
            let replica = scan.replica()?;
            scan.expect("\":")?;
            let slot = scan.number().filter(|slot| (1..=MAX_SAFE).contains(slot))?;
            if slots.last().is_some_and(|(last, _)| *last >= replica) {
                return None;
            }
            slots.push((replica, slot));
        }
        Some(Slots(slots))
    }
}

impl Serialize for Slots {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (replica, slot) in &self.0 {
            map.serialize_entry(replica, slot)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Slots {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let slots = super::json::unique_members::<D, Replica, u64>(deserializer)?;
        match slots.values().all(|slot| (1..=MAX_SAFE).contains(slot)) {
            true => Ok(Slots(slots.into_iter().collect())),
            false => Err(serde::de::Error::custom("the slot of a counter is a whole number from 1 to 2^53 - 1")),
        }
    }
}
