//! The server's rules: push with ledger and keys, pull with marks, pages and visibility.

use super::state::{Bug, Cookie, Entry, Key, Logged, Outcome, Page, Position, Protocol, Pull, Push, PushAnswer};
use super::state::{REJECTED, State, payload};

impl State {
    /// Keys and outcomes of a client's ids, in order: a fold over the log up to `at`.
    fn ledger(&self, client: u8, at: usize) -> Vec<(Key, Outcome)> {
        self.log[..at]
            .iter()
            .filter_map(|logged| match logged.entry {
                Entry::Mutation { client: of, key, outcome, .. } if of == client => Some((key, outcome)),
                _ => None,
            })
            .collect()
    }

    fn known(&self, wanted: Key) -> Option<Outcome> {
        self.log.iter().find_map(|logged| match logged.entry {
            Entry::Mutation { key, outcome, .. } if key == wanted => Some(outcome),
            _ => None,
        })
    }

    fn position(&self, at: usize) -> Position {
        Position { at, mark: self.log[at - 1].mark }
    }

    fn has(&self, position: Position) -> bool {
        position.at <= self.log.len() && self.log[position.at - 1].mark == position.mark
    }
}

impl Protocol {
    pub(super) fn serve_push(&self, state: &mut State, push: &Push) -> PushAnswer {
        let ledger = state.ledger(push.client, state.log.len());
        let forked = push
            .mutations
            .iter()
            .any(|(id, key, _)| ledger.get(usize::from(*id) - 1).is_some_and(|(stored, _)| stored != key));
        if forked && !matches!(self.bug, Bug::ForkIgnored | Bug::LedgerCheckSkipped) {
            return PushAnswer::Forked;
        }
        let mut results = Vec::new();
        for &(id, key, skip) in &push.mutations {
            let ledger = state.ledger(push.client, state.log.len());
            let last = ledger.len() as u8;
            let run = self.bug == Bug::LedgerCheckSkipped;
            if id <= last && !run {
                results.push((id, ledger[usize::from(id) - 1].1));
                continue;
            }
            if id > last + 1 && self.bug != Bug::GapAccepted && !run {
                return PushAnswer::Gap { expected: last + 1, results };
            }
            let known = state.known(key).filter(|_| !run && self.bug != Bug::KeysForgotten);
            let outcome = known.unwrap_or(match (skip, payload(key)) {
                (true, _) => Outcome::Skipped,
                (_, REJECTED) => Outcome::Rejected,
                _ => Outcome::Applied,
            });
            // A planted gap makes the ledger jump: fill it, so that the fold keeps ids as positions.
            for missing in last + 1..id {
                let entry = Entry::Mutation {
                    client: push.client,
                    id: missing,
                    key: 4 + 3,
                    outcome: Outcome::Skipped,
                    fresh: false,
                };
                state.log.push(Logged { mark: state.epoch, entry });
            }
            let entry = Entry::Mutation { client: push.client, id, key, outcome, fresh: known.is_none() };
            state.log.push(Logged { mark: state.epoch, entry });
            results.push((id, outcome));
        }
        PushAnswer::Done { results }
    }

    pub(super) fn serve_pull(&self, state: &State, pull: &Pull, whole: bool) -> Page {
        let head = state.log.len();
        let valid = pull.cookie.filter(|cookie| match self.bug {
            Bug::MarksIgnored => cookie.position.at <= head,
            _ => state.has(cookie.position) && state.has(cookie.head),
        });
        let from = valid.map_or(0, |cookie| cookie.position.at);
        let to = if whole || valid.is_none() { head } else { head.min(from + 1) };
        let clear = valid.is_none();

        let acknowledged_at = if self.bug == Bug::AckBeforeEffect { head } else { to };
        let mut clients: Vec<u8> = state.log[from..acknowledged_at]
            .iter()
            .filter_map(|logged| match logged.entry {
                Entry::Mutation { client, .. } => Some(client),
                _ => None,
            })
            .collect();
        clients.sort_unstable();
        clients.dedup();
        let last = clients
            .into_iter()
            .filter_map(|client| {
                let ledger = state.ledger(client, acknowledged_at);
                ledger.last().map(|(key, _)| (client, ledger.len() as u8, *key))
            })
            .collect();
        let results = state.log[from..acknowledged_at]
            .iter()
            .filter_map(|logged| match logged.entry {
                Entry::Mutation { client, id, outcome, .. } if client == pull.client => Some((id, outcome)),
                _ => None,
            })
            .collect();
        let puts = state.log[from..to]
            .iter()
            .filter_map(|logged| match logged.entry {
                Entry::Mutation { key, outcome: Outcome::Applied, fresh: true, .. } => Some(payload(key)),
                _ => None,
            })
            .collect();

        // Visibility of the one secret row: held is H(P, A), to hold is H(Q, now).
        let readable = state.readable(head);
        let was = valid.is_some_and(|cookie| {
            state.readable(cookie.position.at) && (self.bug == Bug::WasAtPositionOnly || state.readable(cookie.head.at))
        });
        let is = state.readable(to) && readable;
        let secret = match (was, is) {
            (false, true) => Some(true),
            (true, false) if self.bug != Bug::RevocationWithoutDel => Some(false),
            _ => None,
        };
        let cookie = Cookie { position: state.position(to), head: state.position(head) };
        Page { cookie, clear, has_more: to < head, puts, secret, last, results, readable }
    }
}
