//! The state of the model, its actions and its properties.

use stateright::{Model, Property};

/// How far the model goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Mutations each store may issue; the third store is the copy.
    pub(super) mutations: [u8; 3],
    /// How many entries may be discarded before they are sent.
    pub(super) discards: u8,
    /// How often the secret row is revoked or granted.
    pub(super) flips: u8,
    /// Whether a pull may end before the head.
    pub(super) pages: bool,
    /// How often a store is copied (0 or 1).
    pub(super) forks: u8,
    /// How often the server is restored from an older backup.
    pub(super) restores: u8,
    /// Stores at the start.
    pub(super) stores: usize,
    /// Whether answers to a store take time. (A push of any store may be lost, late or doubled.)
    pub(super) slow: [bool; 3],
    /// Whether a page may be taken again later: two processes on one store, each with a pull under way.
    pub(super) pages_twice: bool,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            mutations: [2, 1, 0],
            discards: 0,
            flips: 0,
            pages: false,
            forks: 0,
            restores: 0,
            stores: 2,
            slow: [true, false, true],
            pages_twice: false,
        }
    }
}

/// A wrong rule, planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bug {
    None,
    /// The server runs what it is sent, whatever its ledger says.
    LedgerCheckSkipped,
    /// The server runs ids above the next one.
    GapAccepted,
    /// `lastMutationIDs` is read at the head although the page ends before it.
    AckBeforeEffect,
    /// A client that takes a new client id draws new keys.
    ReissueWithNewKeys,
    /// The server looks at ids alone, never at keys.
    KeysForgotten,
    /// Cookies carry no marks: a position below the head is taken as valid.
    MarksIgnored,
    /// Neither side compares keys at known ids.
    ForkIgnored,
    /// What a client holds is judged at its position alone, not at what was withheld early.
    WasAtPositionOnly,
    /// A row that can no longer be read is not removed.
    RevocationWithoutDel,
    /// A page is applied whatever cookie it was asked with.
    StalePageApplied,
    /// Lost history is looked for on resets alone.
    LostOnResetOnly,
    /// After a change of client id, what the former one had acknowledged is no longer looked for.
    FormerClientsForgotten,
}

#[derive(Debug)]
pub(super) struct Protocol {
    pub(super) bounds: Bounds,
    pub(super) bug: Bug,
}

/// A mutation's key. The low bits name the intent (the "payload"), the rest counts keys wrongly drawn anew.
pub(super) type Key = u8;
/// What a key stands for.
pub(super) fn payload(key: Key) -> usize {
    usize::from(key % 4)
}
/// The server always rejects this payload.
pub(super) const REJECTED: usize = 1;
pub(super) const PAYLOADS: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Outcome {
    Applied,
    Rejected,
    Skipped,
    LostByServer,
}

/// One entry of the change log; ledger and rows are folds over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Entry {
    Begin,
    /// A mutation's acknowledgement with its effect. `fresh` is false for a key that was known under another id.
    Mutation {
        client: u8,
        id: u8,
        key: Key,
        outcome: Outcome,
        fresh: bool,
    },
    /// The secret row becomes unreadable, or readable.
    Flip {
        readable: bool,
    },
}

/// Which history an entry was written in, and the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Logged {
    pub(super) mark: u8,
    pub(super) entry: Entry,
}

/// A position of the log (a number of entries), with the mark of its last entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Position {
    pub(super) at: usize,
    pub(super) mark: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Cookie {
    pub(super) position: Position,
    /// The head when the page was made.
    pub(super) head: Position,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Push {
    /// The store that sent it: answers go nowhere else.
    pub(super) from: usize,
    pub(super) client: u8,
    pub(super) mutations: Vec<(u8, Key, bool)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum PushAnswer {
    Done { results: Vec<(u8, Outcome)> },
    Gap { expected: u8, results: Vec<(u8, Outcome)> },
    Forked,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pull {
    pub(super) client: u8,
    pub(super) cookie: Option<Cookie>,
    /// The last id acknowledged when this was asked: kept by the asking process.
    pub(super) acknowledged: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Page {
    pub(super) cookie: Cookie,
    pub(super) clear: bool,
    pub(super) has_more: bool,
    pub(super) puts: Vec<usize>,
    pub(super) secret: Option<bool>,
    /// (client, last id, key stored for it)
    pub(super) last: Vec<(u8, u8, Key)>,
    /// Outcomes of the caller.
    pub(super) results: Vec<(u8, Outcome)>,
    /// Ghost: whether the secret was readable when the page was made.
    pub(super) readable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pending {
    pub(super) id: u8,
    pub(super) key: Key,
    pub(super) skip: bool,
    pub(super) sent: bool,
    pub(super) acknowledged: Option<Outcome>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Store {
    pub(super) client: u8,
    /// Keys of the ids this client id has issued.
    pub(super) issued: Vec<Key>,
    pub(super) outbox: Vec<Pending>,
    /// The last id acknowledged, by a push or a pull.
    pub(super) acknowledged: u8,
    /// The last id whose effect is in the base.
    pub(super) observed: u8,
    /// Former client ids, with the keys of the ids that were observed under them.
    pub(super) former: Vec<(u8, Vec<Key>)>,
    pub(super) cookie: Option<Cookie>,
    pub(super) base: [bool; PAYLOADS],
    pub(super) secret: bool,
    pub(super) outcomes: [Option<Outcome>; PAYLOADS],
    /// Ghost: the secret was readable when the last applied page was made.
    pub(super) secret_was_readable: bool,
    /// Ghost: the base has gone back within one history.
    pub(super) went_back: bool,
    /// Answers on the wire. A newer one takes the place of an older one, which then never arrives.
    pub(super) push: Option<(Push, PushAnswer)>,
    pub(super) pull: Option<(Pull, Page)>,
    /// The first page taken, where pages may come twice.
    pub(super) twice: Option<(Pull, Page)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) log: Vec<Logged>,
    pub(super) epoch: u8,
    pub(super) stores: Vec<Store>,
    /// Pushes sent so far: each may be delivered (again) at any time.
    pub(super) sent: Vec<Push>,
    pub(super) next_client: u8,
    /// Which store issued each payload first.
    pub(super) issuers: Vec<usize>,
    pub(super) left: [u8; 3],
    pub(super) discards: u8,
    pub(super) flips: u8,
    pub(super) forks: u8,
    pub(super) restores: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Action {
    Mutate(usize),
    Discard(usize),
    SendPush(usize),
    /// The n-th push ever sent reaches the server. Only this many mutations are run and nothing is answered when the
    /// server dies on the way; the whole of it is answered otherwise.
    DeliverPush(usize, Option<usize>),
    /// A pull is asked and answered, with one unit or all; the answer is on the wire.
    Pull(usize, bool),
    TakePushAnswer(usize),
    TakePage(usize),
    /// The page that was taken first is taken once more.
    TakePageAgain(usize),
    /// The client process restarts: answers on the wire find nobody.
    Restart(usize),
    Copy,
    /// The server goes back to this length of its log.
    Restore(usize),
    Flip,
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let stores = (0..self.bounds.stores).map(|n| Store::new(n as u8)).collect();
        vec![State {
            log: vec![Logged { mark: 0, entry: Entry::Begin }],
            epoch: 0,
            stores,
            sent: Vec::new(),
            next_client: self.bounds.stores as u8,
            issuers: Vec::new(),
            left: self.bounds.mutations,
            discards: self.bounds.discards,
            flips: self.bounds.flips,
            forks: self.bounds.forks,
            restores: self.bounds.restores,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (n, store) in state.stores.iter().enumerate() {
            if state.left[n] > 0 && state.issuers.len() < PAYLOADS {
                actions.push(Action::Mutate(n));
            }
            if state.discards > 0 && store.outbox.last().is_some_and(|last| !last.sent && !last.skip) {
                actions.push(Action::Discard(n));
            }
            let unsent = store.unacknowledged(n);
            if !unsent.mutations.is_empty() && !state.sent.contains(&unsent) {
                actions.push(Action::SendPush(n));
            }
            actions.push(Action::Pull(n, true));
            if self.bounds.pages && store.cookie.is_some() {
                actions.push(Action::Pull(n, false));
            }
            if store.push.is_some() {
                actions.push(Action::TakePushAnswer(n));
            }
            if store.pull.is_some() {
                actions.push(Action::TakePage(n));
            }
            if store.twice.is_some() {
                actions.push(Action::TakePageAgain(n));
            }
            if store.push.is_some() || store.pull.is_some() {
                actions.push(Action::Restart(n));
            }
        }
        for (n, push) in state.sent.iter().enumerate() {
            actions.push(Action::DeliverPush(n, None));
            actions.extend((1..=push.mutations.len()).map(|run| Action::DeliverPush(n, Some(run))));
        }
        if state.forks > 0 && state.stores.len() < 3 {
            actions.push(Action::Copy);
        }
        if state.restores > 0 {
            actions.extend((1..state.log.len()).map(Action::Restore));
        }
        if state.flips > 0 {
            actions.push(Action::Flip);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.act(&mut state, &action);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("exactly once", |_: &Protocol, state: &State| {
                (0..PAYLOADS).all(|wanted| state.applied().filter(|(at, _)| *at == wanted).count() <= 1)
            }),
            Property::always("first in, first out", |_, state: &State| {
                let applied: Vec<_> = state.applied().collect();
                applied.iter().all(|(earlier, at)| {
                    applied.iter().all(|(later, after)| {
                        earlier >= later
                            || state.issuers[*earlier] != state.issuers[*later]
                            || at < after
                            || state.reported_lost(*earlier)
                    })
                })
            }),
            Property::always("acknowledged with effect", |_, state: &State| {
                state.stores.iter().all(|store| {
                    (0..PAYLOADS).all(|wanted| {
                        store.outcomes[wanted] != Some(Outcome::Applied)
                            || store.base[wanted]
                            || store.outbox.iter().any(|entry| payload(entry.key) == wanted)
                    })
                })
            }),
            Property::always("nothing unreadable held", |_, state: &State| {
                state.stores.iter().all(|store| !store.secret || store.secret_was_readable)
            }),
            Property::always("never back in time", |_, state: &State| {
                !state.stores.iter().any(|store| store.went_back)
            }),
            // From here, a healed network and some rounds of push and pull lead to: queues empty, all stores equal to
            // the server, every mutation accounted for on every store that held it.
            Property::always("heals", |model: &Protocol, state: &State| model.heals(state)),
            Property::sometimes("all applied and observed", |_, state: &State| {
                state.left.iter().sum::<u8>() == 0
                    && state.stores.iter().all(|store| store.outbox.is_empty())
                    && state.stores.iter().all(|store| store.base == state.rows())
            }),
        ];
        if self.bug != Bug::None {
            return properties;
        }
        // Rare states that must have been reached: they keep the checker honest about what it visits.
        let rare: [(bool, &'static str, fn(&Protocol, &State) -> bool); 5] = [
            (self.bounds.forks > 0 && self.bounds.restores == 0, "a fork was handled", |model, state| {
                state.stores.iter().any(|store| usize::from(store.client) >= model.bounds.stores)
            }),
            (self.bounds.restores > 0, "lost history was reported", |_, state| {
                (0..PAYLOADS).any(|wanted| state.reported_lost(wanted))
            }),
            (self.bounds.forks > 0, "a known key under a new id", |_, state| {
                state.log.iter().any(|logged| matches!(logged.entry, Entry::Mutation { fresh: false, .. }))
            }),
            (self.bounds.flips > 1 && self.bounds.pages, "withheld and granted again", |_, state| {
                state.stores.iter().filter_map(|store| store.cookie).any(|cookie| {
                    state.readable(cookie.position.at)
                        && !state.readable(cookie.head.at)
                        && state.readable(state.log.len())
                })
            }),
            (self.bounds.discards > 0, "a discarded mutation skipped", |_, state| {
                state.stores.iter().any(|store| store.outcomes.contains(&Some(Outcome::Skipped)))
            }),
        ];
        properties.extend(
            rare.into_iter().filter(|(on, ..)| *on).map(|(_, name, reached)| Property::sometimes(name, reached)),
        );
        properties
    }
}

impl Protocol {
    fn act(&self, state: &mut State, action: &Action) {
        match *action {
            Action::Mutate(n) => self.mutate(state, n),
            Action::Discard(n) => {
                state.discards -= 1;
                if let Some(entry) = state.stores[n].outbox.last_mut() {
                    entry.skip = true;
                }
            }
            Action::SendPush(n) => {
                let push = state.stores[n].next_push(n);
                // A push whose mutations begin a longer one of the same store adds nothing: the longer one may be cut
                // anywhere by a crash of the server.
                state.sent.retain(|other| {
                    (other.from, other.client) != (n, push.client) || !push.mutations.starts_with(&other.mutations)
                });
                state.sent.push(push);
                // One order for one set of messages: fewer states, nothing lost.
                state.sent.sort_unstable();
            }
            Action::DeliverPush(n, run) => {
                let mut push = state.sent[n].clone();
                match run {
                    Some(run) => {
                        push.mutations.truncate(run);
                        self.serve_push(state, &push);
                    }
                    None => {
                        let answer = self.serve_push(state, &push);
                        let from = push.from;
                        if !self.bounds.slow[from] {
                            self.take_push_answer(state, from, &push, answer);
                        } else if state.stores[from].client == push.client {
                            state.stores[from].push = Some((push, answer));
                        }
                    }
                }
            }
            Action::Pull(n, whole) => {
                let pull = state.stores[n].next_pull();
                let page = self.serve_pull(state, &pull, whole);
                if !self.bounds.slow[n] {
                    self.take_page(state, n, &pull, page);
                } else {
                    state.stores[n].pull = Some((pull, page));
                }
            }
            Action::TakePushAnswer(n) => {
                if let Some((push, answer)) = state.stores[n].push.take() {
                    self.take_push_answer(state, n, &push, answer);
                }
            }
            Action::TakePage(n) => {
                if let Some((pull, page)) = state.stores[n].pull.take() {
                    if self.bounds.pages_twice {
                        state.stores[n].twice.get_or_insert((pull.clone(), page.clone()));
                    }
                    self.take_page(state, n, &pull, page);
                }
            }
            Action::TakePageAgain(n) => {
                if let Some((pull, page)) = state.stores[n].twice.clone() {
                    self.take_page(state, n, &pull, page);
                }
            }
            Action::Restart(n) => {
                state.stores[n].push = None;
                state.stores[n].pull = None;
            }
            Action::Copy => {
                state.forks -= 1;
                let mut copy = state.stores[0].clone();
                copy.push = None;
                copy.pull = None;
                state.stores.push(copy);
            }
            Action::Restore(length) => {
                state.restores -= 1;
                state.log.truncate(length);
                state.epoch += 1;
            }
            Action::Flip => {
                state.flips -= 1;
                let readable = !state.readable(state.log.len());
                state.log.push(Logged { mark: state.epoch, entry: Entry::Flip { readable } });
            }
        }
    }

    fn heals(&self, state: &State) -> bool {
        let mut state = state.clone();
        for _ in 0..8 {
            for n in 0..state.stores.len() {
                state.stores[n].push = None;
                state.stores[n].pull = None;
                let push = state.stores[n].next_push(n);
                if !push.mutations.is_empty() {
                    let answer = self.serve_push(&mut state, &push);
                    self.take_push_answer(&mut state, n, &push, answer);
                }
                let pull = state.stores[n].next_pull();
                let page = self.serve_pull(&state, &pull, true);
                self.take_page(&mut state, n, &pull, page);
            }
            if self.settled(&state) {
                return true;
            }
        }
        false
    }

    fn settled(&self, state: &State) -> bool {
        let rows = state.rows();
        let readable = state.readable(state.log.len());
        let equal =
            state.stores.iter().all(|store| store.outbox.is_empty() && store.base == rows && store.secret == readable);
        equal
            && (0..state.issuers.len()).all(|wanted| {
                let on_server = state.outcome(wanted);
                state.stores.iter().all(|store| match store.outcomes[wanted] {
                    // A store that never held the mutation has nothing to say about it.
                    None => true,
                    Some(Outcome::LostByServer) => true,
                    reported => reported == on_server,
                }) && (on_server.is_some() || state.reported_lost(wanted))
            })
    }
}

impl State {
    /// Payloads that took effect, with the position.
    pub(super) fn applied(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.log.iter().enumerate().filter_map(|(at, logged)| match logged.entry {
            Entry::Mutation { key, outcome: Outcome::Applied, fresh: true, .. } => Some((payload(key), at)),
            _ => None,
        })
    }

    pub(super) fn rows(&self) -> [bool; PAYLOADS] {
        let mut rows = [false; PAYLOADS];
        self.applied().for_each(|(wanted, _)| rows[wanted] = true);
        rows
    }

    pub(super) fn outcome(&self, wanted: usize) -> Option<Outcome> {
        self.log.iter().find_map(|logged| match logged.entry {
            Entry::Mutation { key, outcome, .. } if payload(key) == wanted => Some(outcome),
            _ => None,
        })
    }

    pub(super) fn reported_lost(&self, wanted: usize) -> bool {
        self.stores.iter().any(|store| store.outcomes[wanted] == Some(Outcome::LostByServer))
    }

    /// Whether the secret row is readable by the policy tables of this position.
    pub(super) fn readable(&self, at: usize) -> bool {
        self.log[..at.min(self.log.len())]
            .iter()
            .rev()
            .find_map(|logged| match logged.entry {
                Entry::Flip { readable } => Some(readable),
                _ => None,
            })
            .unwrap_or(true)
    }
}
