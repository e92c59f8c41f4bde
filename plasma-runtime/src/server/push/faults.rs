//! Counts server faults of single mutations, so that one that can never be committed does not block its client for
//! ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// At most this many mutations are watched; the count of others begins anew.
const WATCHED: usize = 10_000;

/// Faults in a row, by client and mutation. In memory: a restart of the server begins anew, which only costs time.
#[derive(Debug, Default)]
pub(in crate::server) struct FaultBook(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    /// Mutations committed since the start.
    successes: u64,
    open: BTreeMap<(String, u64), Faults>,
    /// Clients that lost a connection while several of their mutations were on their way.
    in_doubt: BTreeSet<String>,
}

#[derive(Debug)]
struct Faults {
    in_a_row: u32,
    /// `successes` at the first fault.
    successes_before: u64,
    /// `successes` at the last one that counted.
    successes_at_last: u64,
}

impl FaultBook {
    fn book<T>(&self, work: impl FnOnce(&mut Book) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A mutation met a fault of the server.
    pub(super) fn note(&self, client: &str, id: u64) {
        self.count(client, id, true);
    }

    /// The connection was cut while the mutation ran. That counts when others have succeeded since the last one that did:
    /// in one outage all that run are cut off, as often as they try.
    pub(super) fn note_cut(&self, client: &str, id: u64) {
        self.count(client, id, false);
    }

    fn count(&self, client: &str, id: u64, always: bool) {
        self.book(|book| {
            if book.open.len() >= WATCHED && !book.open.contains_key(&(client.to_owned(), id)) {
                book.open.pop_first();
            }
            let now = book.successes;
            let new = Faults { in_a_row: 0, successes_before: now, successes_at_last: now };
            let faults = book.open.entry((client.to_owned(), id)).or_insert(new);
            if always || faults.in_a_row == 0 || now > faults.successes_at_last {
                faults.in_a_row = faults.in_a_row.saturating_add(1);
                faults.successes_at_last = now;
            }
        });
    }

    /// The server ended the mutation's connection for a reason of its own: what came before says nothing any more.
    pub(super) fn forgive(&self, client: &str, id: u64) {
        self.book(|book| book.open.remove(&(client.to_owned(), id)));
    }

    /// Whether the mutation's last run met a fault. What comes before it in its push is committed without it.
    pub(super) fn is_suspect(&self, client: &str, id: u64) -> bool {
        self.book(|book| !book.open.is_empty() && book.open.contains_key(&(client.to_owned(), id)))
    }

    /// One of several mutations of this client met a fault, nobody knows which: the next time each is waited for.
    pub(super) fn doubt(&self, client: &str) {
        self.book(|book| {
            if book.in_doubt.len() >= WATCHED {
                book.in_doubt.pop_first();
            }
            book.in_doubt.insert(client.to_owned());
        });
    }

    /// Whether each statement of this client is to be waited for.
    pub(super) fn is_in_doubt(&self, client: &str) -> bool {
        self.book(|book| !book.in_doubt.is_empty() && book.in_doubt.contains(client))
    }

    /// Mutations were committed.
    pub(super) fn committed<'a>(&self, mutations: impl Iterator<Item = &'a (String, u64)>) {
        self.book(|book| {
            for mutation in mutations {
                book.successes += 1;
                book.in_doubt.remove(&mutation.0);
                book.open.remove(mutation);
            }
        });
    }

    /// Whether a mutation met `most` faults in a row while others succeeded.
    pub(super) fn is_hopeless(&self, client: &str, id: u64, most: u32) -> bool {
        self.book(|book| {
            !book.open.is_empty()
                && book
                    .open
                    .get(&(client.to_owned(), id))
                    .is_some_and(|faults| faults.in_a_row >= most && book.successes > faults.successes_before)
        })
    }
}
