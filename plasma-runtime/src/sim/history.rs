//! The history of a run as its clients saw it, and what a session may see.
//!
//! Every mutation appends one row to the audit table: a list, in the order of commits on the server. What a client's base shows
//! of it at a page is a read of that list, or of the part of it that its caller may read: the entries the session has ever seen. For strong-session consistency with
//! consistent views (Daudjee and Salem, "Lazy Database Replication with Ordering Guarantees", ICDE 2004; "PL-2+" in
//! Adya's thesis, 1999) it is enough, and needed, that
//!
//! - every read is a prefix of the list: a transaction is seen with all that were committed before it, so with its causes
//!   (writes follow reads, monotonic writes);
//! - the reads of a session do not get shorter (monotonic reads);
//! - a write stands behind everything that its session had read before it (writes follow reads, across sessions).

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::node::NodeId;
use super::workload::Tables;

/// Something a session did.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    /// The entries its base showed.
    Read(BTreeSet<String>),
    /// A mutation that appends this entry was issued.
    Write(String),
}

/// What the sessions of a run did, each in its order.
#[derive(Debug, Default)]
pub(super) struct History(BTreeMap<NodeId, Vec<Event>>);

impl History {
    pub(super) fn read(&mut self, session: NodeId, base: &Tables, audit: &str) {
        let entries = base.get(audit).map(|rows| rows.keys().cloned().collect()).unwrap_or_default();
        self.0.entry(session).or_default().push(Event::Read(entries));
    }

    pub(super) fn write(&mut self, session: NodeId, entry: Uuid) {
        self.0.entry(session).or_default().push(Event::Write(entry.to_string()));
    }

    /// The first anomaly, given the list in the order of commits.
    pub(super) fn anomaly(&self, order: &[String]) -> Option<String> {
        self.0.iter().find_map(|(session, events)| {
            let what = anomaly_of(events, order)?;
            Some(format!("client {session} {what}"))
        })
    }
}

fn anomaly_of(events: &[Event], order: &[String]) -> Option<String> {
    let ever: BTreeSet<&String> = events
        .iter()
        .filter_map(|event| match event {
            Event::Read(entries) => Some(entries),
            Event::Write(_) => None,
        })
        .flatten()
        .collect();
    let order: Vec<&String> = order.iter().filter(|entry| ever.contains(entry)).collect();
    let places: BTreeMap<&str, usize> = order.iter().map(|entry| entry.as_str()).zip(0..).collect();
    let mut seen = 0;
    for event in events {
        match event {
            Event::Read(entries) => {
                if let Some(entry) = entries.iter().find(|entry| !places.contains_key(entry.as_str())) {
                    return Some(format!("saw the entry {entry}, which was never committed"));
                }
                if let Some(missing) = order.iter().take(entries.len()).find(|entry| !entries.contains(**entry)) {
                    return Some(format!(
                        "saw {} entries, and not {missing}, which was committed before",
                        entries.len()
                    ));
                }
                if entries.len() < seen {
                    return Some(format!("saw {} entries after it had seen {seen}", entries.len()));
                }
                seen = entries.len();
            }
            Event::Write(entry) => {
                // Not every mutation is applied.
                if let Some(place) = places.get(entry.as_str())
                    && *place < seen
                {
                    return Some(format!("wrote {entry} after it had seen {seen} entries, and it stands at {place}"));
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(names: &str) -> BTreeSet<String> {
        names.chars().map(String::from).collect()
    }

    fn found(events: &[Event]) -> Option<String> {
        let order: Vec<String> = "abcde".chars().map(String::from).collect();
        anomaly_of(events, &order)
    }

    fn read(names: &str) -> Event {
        Event::Read(entries(names))
    }

    fn write(name: &str) -> Event {
        Event::Write(name.to_owned())
    }

    #[test]
    fn a_session_may_read_longer_prefixes_and_write_behind_them() {
        assert_eq!(
            found(&[read(""), write("b"), read("a"), read("abc"), write("e"), write("refused"), read("abcde")]),
            None
        );
    }

    #[test]
    fn what_a_session_must_not_see() {
        for (events, word) in [
            (vec![read("ac"), read("abc")], "not b"),
            (vec![read("ab"), read("a")], "after it had seen 2"),
            (vec![read("abx")], "never committed"),
            (vec![read("abc"), write("b")], "stands at 1"),
        ] {
            let text = found(&events).unwrap_or_default();
            assert!(text.contains(word), "{events:?}: {text}");
        }
    }
}
