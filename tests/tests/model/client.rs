//! The client's rules: outbox, acknowledgement, pages, fork and lost history.

use super::state::{Bug, Key, Outcome, PAYLOADS, Page, Pending, Protocol, Pull, Push, PushAnswer};
use super::state::{State, Store, payload};

impl Store {
    pub(super) fn new(client: u8) -> Self {
        Store {
            client,
            issued: Vec::new(),
            outbox: Vec::new(),
            acknowledged: 0,
            observed: 0,
            former: Vec::new(),
            cookie: None,
            base: [false; PAYLOADS],
            secret: false,
            outcomes: [None; PAYLOADS],
            secret_was_readable: false,
            push: None,
            pull: None,
            twice: None,
            went_back: false,
        }
    }

    /// Everything not yet acknowledged, in order.
    pub(super) fn unacknowledged(&self, from: usize) -> Push {
        let waiting = self.outbox.iter().filter(|entry| entry.acknowledged.is_none());
        Push { from, client: self.client, mutations: waiting.map(|entry| (entry.id, entry.key, entry.skip)).collect() }
    }

    /// The same, noted as sent.
    pub(super) fn next_push(&mut self, from: usize) -> Push {
        self.outbox.iter_mut().for_each(|entry| entry.sent = true);
        self.unacknowledged(from)
    }

    pub(super) fn next_pull(&self) -> Pull {
        Pull { client: self.client, cookie: self.cookie, acknowledged: self.acknowledged }
    }

    fn acknowledge(&mut self, results: &[(u8, Outcome)]) {
        for (id, outcome) in results {
            self.acknowledged = self.acknowledged.max(*id);
            if let Some(entry) = self.outbox.iter_mut().find(|entry| entry.id == *id) {
                entry.acknowledged = Some(*outcome);
                self.outcomes[payload(entry.key)] = Some(*outcome);
            }
        }
    }
}

impl Protocol {
    pub(super) fn mutate(&self, state: &mut State, n: usize) {
        let key = state.issuers.len() as Key;
        state.issuers.push(n);
        state.left[n] -= 1;
        let store = &mut state.stores[n];
        store.issued.push(key);
        let id = store.issued.len() as u8;
        store.outbox.push(Pending { id, key, skip: false, sent: false, acknowledged: None });
    }

    /// A new client id, the whole outbox under it with the same keys.
    fn rotate(&self, state: &mut State, n: usize) {
        let client = state.next_client;
        state.next_client += 1;
        let store = &mut state.stores[n];
        let observed: Vec<Key> = store.issued[..usize::from(store.observed)].to_vec();
        if !observed.is_empty() {
            store.former.push((store.client, observed));
        }
        store.client = client;
        store.acknowledged = 0;
        store.observed = 0;
        store.issued.clear();
        for (index, entry) in store.outbox.iter_mut().enumerate() {
            entry.id = index as u8 + 1;
            entry.acknowledged = None;
            store.outcomes[payload(entry.key)] = None;
            if self.bug == Bug::ReissueWithNewKeys {
                entry.key += 4;
            }
            store.issued.push(entry.key);
        }
    }

    /// The server no longer has this client's ids above `last`.
    fn lost(&self, state: &mut State, n: usize, last: u8) {
        let store = &mut state.stores[n];
        for id in last + 1..=store.acknowledged {
            // What is still in the outbox is sent again; only what has left it is lost.
            if store.outbox.iter().all(|entry| entry.id != id) {
                store.outcomes[payload(store.issued[usize::from(id) - 1])] = Some(Outcome::LostByServer);
            }
        }
        store.observed = store.observed.min(last);
        store.cookie = None;
        self.rotate(state, n);
    }

    pub(super) fn take_push_answer(&self, state: &mut State, n: usize, push: &Push, answer: PushAnswer) {
        if state.stores[n].client != push.client {
            return;
        }
        match answer {
            PushAnswer::Done { results } => state.stores[n].acknowledge(&results),
            PushAnswer::Gap { expected, results } => {
                state.stores[n].acknowledge(&results);
                if expected <= state.stores[n].acknowledged {
                    self.lost(state, n, expected - 1);
                }
            }
            PushAnswer::Forked => {
                self.rotate(state, n);
            }
        }
    }

    pub(super) fn take_page(&self, state: &mut State, n: usize, pull: &Pull, page: Page) {
        let store = &state.stores[n];
        if (store.cookie != pull.cookie || store.client != pull.client) && self.bug != Bug::StalePageApplied {
            return;
        }
        let own = page.last.iter().find(|(client, ..)| *client == store.client).copied();
        let last = own.map_or(0, |(_, last, _)| last);
        if let Some((_, last, key)) = own
            && store.issued.get(usize::from(last) - 1) != Some(&key)
            && self.bug != Bug::ForkIgnored
        {
            self.rotate(state, n);
            return;
        }
        if pull.client == store.client {
            let known = if page.clear { last } else { last.max(store.observed) };
            let complete = page.clear || (!page.has_more && self.bug != Bug::LostOnResetOnly);
            if complete && known < pull.acknowledged {
                self.lost(state, n, known);
                return;
            }
        }
        let store = &mut state.stores[n];
        if page.clear {
            store.base = [false; PAYLOADS];
            store.secret = false;
            if self.bug != Bug::FormerClientsForgotten {
                let mut lost = Vec::new();
                for (client, observed) in &mut store.former {
                    let last = page.last.iter().find(|(of, ..)| of == client).map_or(0, |(_, last, _)| *last);
                    lost.extend(observed.drain(observed.len().min(usize::from(last))..));
                }
                for key in lost {
                    store.outcomes[payload(key)] = Some(Outcome::LostByServer);
                }
            }
        }
        if pull.client == store.client {
            store.acknowledge(&page.results);
        }
        for wanted in &page.puts {
            store.base[*wanted] = true;
        }
        if let Some(secret) = page.secret {
            store.secret = secret;
        }
        store.secret_was_readable = page.readable;
        store.went_back |= !page.clear
            && store.cookie.is_some_and(|held| {
                held.position.mark == page.cookie.position.mark && held.position.at > page.cookie.position.at
            });
        store.cookie = Some(page.cookie);
        store.observed = store.observed.max(last);
        store.acknowledged = store.acknowledged.max(last);
        store.outbox.retain(|entry| entry.id > last);
    }
}
