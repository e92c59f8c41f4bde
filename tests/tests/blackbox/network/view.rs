//! What one device, or the server, shows at one moment, and what every such view promises by itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::app::COUNTERS;
use crate::place::Data;

/// All rows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct View {
    /// By id.
    pub(super) registers: BTreeMap<String, i64>,
    pub(super) tallies: Vec<i64>,
    /// Id, device, number on it, and the entry it was made after; by device and number.
    pub(super) entries: Vec<(String, i64, i64, Option<String>)>,
}

impl View {
    /// The server's, as another program reads it.
    pub(super) fn of_server(data: &Data) -> View {
        let lines = data.texts(
            "SELECT id || '|' || CAST(device AS text) || '|' || CAST(n AS text) || '|' || coalesce(after, '') \
             FROM entries ORDER BY device, n",
        );
        let entries = lines.iter().map(|line| {
            let parts: Vec<&str> = line.split('|').collect();
            let number = |at: usize| parts[at].parse().expect("a number");
            let after = Some(parts[3].to_owned()).filter(|after| !after.is_empty());
            (parts[0].to_owned(), number(1), number(2), after)
        });
        let ids = data.texts("SELECT id FROM registers ORDER BY id");
        let values = data.integers("SELECT value FROM registers ORDER BY id");
        View {
            registers: ids.into_iter().zip(values).collect(),
            tallies: data.integers("SELECT n FROM tallies ORDER BY id"),
            entries: entries.collect(),
        }
    }

    /// The number of the device's last transaction.
    pub(super) fn made_by(&self, device: i64) -> i64 {
        self.entries.iter().filter(|(_, by, ..)| *by == device).map(|(_, _, n, _)| *n).max().unwrap_or(0)
    }

    /// Whether a view keeps what is promised of every view: transactions whole, none twice, one's own from the moment
    /// `mutate` returns, each device's in order and without a gap, causes before effects, and never back in time.
    ///
    /// # Errors
    /// What it breaks.
    pub(super) fn promises(&self, before: Option<&View>, own: i64, made: i64) -> Result<(), String> {
        // Before the first page there is nothing.
        let tallied: i64 = self.tallies.iter().sum();
        if !self.tallies.is_empty() && self.tallies.len() as i64 != COUNTERS {
            return Err(format!("half a seed: {:?}", self.tallies));
        }
        if tallied != self.entries.len() as i64 {
            return Err(format!("not whole, or twice: the tallies are {tallied}, {} entries", self.entries.len()));
        }
        let mut last = BTreeMap::new();
        for (_, device, n, _) in &self.entries {
            let expected = last.insert(*device, *n).unwrap_or(0) + 1;
            if *n != expected {
                return Err(format!("of device {device} there is {n}, where {expected} is next"));
            }
        }
        let shown = self.made_by(own);
        // One more when the process died before it could say that `mutate` had returned.
        if shown < made {
            return Err(format!("{made} transactions of its own returned, it sees {shown}"));
        }
        let ids: BTreeSet<&str> = self.entries.iter().map(|(id, ..)| id.as_str()).collect();
        if let Some((id, .., after)) =
            self.entries.iter().find(|(.., after)| after.as_deref().is_some_and(|after| !ids.contains(after)))
        {
            return Err(format!("{id} is there, what it was made after is not: {after:?}"));
        }
        let Some(before) = before else { return Ok(()) };
        if let Some((gone, ..)) = before.entries.iter().find(|(id, ..)| !ids.contains(id.as_str())) {
            return Err(format!("{gone} was there and is not"));
        }
        for (id, value) in &before.registers {
            if self.registers.get(id).is_none_or(|now| now < value) {
                return Err(format!("the register {id} was {value} and is {:?}", self.registers.get(id)));
            }
        }
        Ok(())
    }
}
