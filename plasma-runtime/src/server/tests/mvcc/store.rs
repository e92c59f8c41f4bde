//! Transactions in READ COMMITTED with row locks, a sequence that hands out numbers before commits, the sequencer, and a
//! reader that checks what it is told.

use super::kinds::{Action, Bug, Program, Step, Wrong};

const ROWS: usize = 3;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Entry {
    seq: u8,
    row: usize,
    prior: u8,
    value: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Transaction {
    program: Program,
    begun: bool,
    at: usize,
    finished: bool,
    committed: bool,
    xid: Option<u8>,
    first: Option<u8>,
    last: u8,
    entries: Vec<Entry>,
    /// Whose values it read before a write, or overwrote; of a mutation, whose outcome tells of them, all it read.
    saw: Vec<usize>,
    /// Read since the last write.
    read: Vec<usize>,
    position: Option<u8>,
    delivered: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Sequencer {
    Idle,
    Waiting(Vec<(usize, u8)>),
    Working(Vec<(usize, u8)>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    bug: Bug,
    next: u8,
    xids: u8,
    transactions: Vec<Transaction>,
    /// What is committed, and by whom.
    rows: [(u8, Option<usize>); ROWS],
    sequencers: [Sequencer; 2],
    is_locked: bool,
    runs: u8,
    pulls: u8,
    cursor: u8,
    held: [u8; ROWS],
    ack_due: bool,
}

impl State {
    pub(super) fn new(programs: &[Program], bug: Bug) -> Self {
        let transaction = |program: &Program| Transaction {
            program: *program,
            begun: false,
            at: 0,
            finished: false,
            committed: false,
            xid: None,
            first: None,
            last: 0,
            entries: Vec::new(),
            saw: Vec::new(),
            read: Vec::new(),
            position: None,
            delivered: false,
        };
        State {
            bug,
            next: 0,
            xids: 0,
            transactions: programs.iter().map(transaction).collect(),
            rows: [(0, None); ROWS],
            sequencers: [Sequencer::Idle, Sequencer::Idle],
            is_locked: false,
            runs: 2,
            pulls: 2,
            cursor: 0,
            held: [0; ROWS],
            ack_due: false,
        }
    }

    /// How often the sequencer runs, and the reader pulls, before the end.
    pub(super) fn allow(&mut self, runs: u8, pulls: u8) {
        (self.runs, self.pulls) = (runs, pulls);
    }

    fn has_positions(&self) -> bool {
        !matches!(self.bug, Bug::Numbers | Bug::Transactions)
    }

    pub(super) fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for (at, transaction) in self.transactions.iter().enumerate() {
            let blocked = match transaction.program.steps.get(transaction.at) {
                Some(Step::Write(row)) if transaction.begun || !transaction.program.is_mutation => {
                    self.transactions.iter().enumerate().any(|(other, open)| {
                        other != at && !open.committed && open.entries.iter().any(|entry| entry.row == *row)
                    })
                }
                _ => false,
            };
            if !transaction.committed && !blocked {
                actions.push(Action::Go(at));
            }
        }
        if self.has_positions() {
            for (at, sequencer) in self.sequencers.iter().enumerate() {
                match sequencer {
                    Sequencer::Idle if self.runs > 0 && (!self.is_locked || self.looks_without_lock()) => {
                        actions.push(Action::Look(at));
                    }
                    Sequencer::Waiting(_) if !self.is_locked => actions.push(Action::Take(at)),
                    Sequencer::Working(_) => actions.push(Action::Publish(at)),
                    _ => {}
                }
            }
        }
        if self.pulls > 0 && !self.ack_due {
            actions.push(Action::Pull);
        }
        if self.ack_due {
            actions.push(Action::Ack);
        }
        actions
    }

    fn looks_without_lock(&self) -> bool {
        matches!(self.bug, Bug::SnapshotBeforeLock | Bug::NoLock)
    }

    pub(super) fn act(&mut self, action: Action) -> Result<(), Wrong> {
        match action {
            Action::Go(at) => self.go(at),
            Action::Look(at) => {
                self.runs -= 1;
                let given = self.look();
                self.sequencers[at] = if self.bug == Bug::SnapshotBeforeLock && self.is_locked {
                    Sequencer::Waiting(given)
                } else {
                    self.is_locked = true;
                    Sequencer::Working(given)
                };
            }
            Action::Take(at) => {
                if let Sequencer::Waiting(given) = self.sequencers[at].clone() {
                    self.is_locked = true;
                    self.sequencers[at] = Sequencer::Working(given);
                }
            }
            Action::Publish(at) => {
                if let Sequencer::Working(given) = std::mem::replace(&mut self.sequencers[at], Sequencer::Idle) {
                    self.is_locked = false;
                    self.publish(&given)?;
                }
            }
            Action::Pull => {
                self.pulls -= 1;
                self.pull()?;
                self.ack_due = self.bug == Bug::AckOutside;
            }
            Action::Ack => {
                self.ack_due = false;
                let early = |transaction: &Transaction| {
                    transaction.committed && transaction.program.is_mutation && !transaction.delivered
                };
                if self.transactions.iter().any(early) {
                    return Err(Wrong::Ack);
                }
            }
        }
        Ok(())
    }

    fn draw(&mut self) -> u8 {
        self.next += 1;
        self.next
    }

    fn go(&mut self, at: usize) {
        let Transaction { program, begun, at: step, finished, .. } = self.transactions[at];
        if program.is_mutation && !begun {
            let unit = self.draw();
            let own = &mut self.transactions[at];
            (own.begun, own.first, own.last) = (true, Some(unit), unit);
            return;
        }
        match program.steps.get(step) {
            Some(Step::Write(row)) => {
                let seq = self.draw();
                let (prior, by) = self.value(at, *row);
                self.transactions[at].saw.extend(by);
                if self.transactions[at].xid.is_none() {
                    self.xids += 1;
                    self.transactions[at].xid = Some(self.xids);
                }
                let own = &mut self.transactions[at];
                own.saw.append(&mut own.read);
                let value = (at * 8 + step + 1) as u8;
                own.entries.push(Entry { seq, row: *row, prior, value });
                (own.first, own.last) = (own.first.or(Some(seq)), seq);
                own.at += 1;
            }
            Some(Step::Read(row)) => {
                let (_, by) = self.value(at, *row);
                self.transactions[at].read.extend(by);
                self.transactions[at].at += 1;
            }
            None if program.is_mutation && !finished => {
                let seq = self.draw();
                let is_last = self.bug != Bug::NoLastDraw;
                let own = &mut self.transactions[at];
                own.saw.append(&mut own.read);
                own.finished = true;
                if is_last {
                    own.last = seq;
                }
            }
            None => {
                self.transactions[at].committed = true;
                for entry in self.transactions[at].entries.clone() {
                    self.rows[entry.row] = (entry.value, Some(at));
                }
            }
        }
    }

    /// What the transaction sees in the row, and whose it is when it is not its own.
    fn value(&self, at: usize, row: usize) -> (u8, Option<usize>) {
        match self.transactions[at].entries.iter().rev().find(|entry| entry.row == row) {
            Some(entry) => (entry.value, None),
            None => self.rows[row],
        }
    }

    fn head(&self) -> u8 {
        self.transactions.iter().filter_map(|transaction| transaction.position).max().unwrap_or(0)
    }

    /// What is committed and has no position, with the positions it will have.
    fn look(&self) -> Vec<(usize, u8)> {
        let mut pending: Vec<(u8, usize)> = self
            .transactions
            .iter()
            .enumerate()
            .filter(|(_, transaction)| transaction.committed && transaction.position.is_none())
            .map(|(at, transaction)| {
                let first = transaction.first.unwrap_or(0);
                (if self.bug == Bug::FirstDraws { first } else { transaction.last }, at)
            })
            .collect();
        pending.sort_unstable();
        pending.into_iter().zip(self.head() + 1..).map(|((_, at), position)| (at, position)).collect()
    }

    fn publish(&mut self, given: &[(usize, u8)]) -> Result<(), Wrong> {
        for (at, position) in given {
            let taken = self.transactions.iter().any(|other| other.position == Some(*position));
            if taken || self.transactions[*at].position.is_some() {
                return Err(Wrong::Position);
            }
            self.transactions[*at].position = Some(*position);
        }
        Ok(())
    }

    fn pull(&mut self) -> Result<(), Wrong> {
        let mut entries: Vec<((u8, u8), usize, Entry)> = Vec::new();
        let oldest_open = self.transactions.iter().filter(|open| !open.committed).filter_map(|open| open.xid).min();
        for (at, transaction) in self.transactions.iter().enumerate().filter(|(_, transaction)| transaction.committed) {
            for entry in &transaction.entries {
                let place = match self.bug {
                    Bug::Numbers => Some((entry.seq, 0)).filter(|place| place.0 > self.cursor),
                    // Its cursor would hold the number too: what was delivered says the same.
                    Bug::Transactions => transaction
                        .xid
                        .filter(|xid| !transaction.delivered && oldest_open.is_none_or(|oldest| *xid < oldest))
                        .map(|xid| (xid, entry.seq)),
                    _ => transaction
                        .position
                        .filter(|position| *position > self.cursor)
                        .map(|position| (position, entry.seq)),
                };
                if let Some(place) = place {
                    entries.push((place, at, entry.clone()));
                }
            }
        }
        if self.has_positions() {
            self.check_head()?;
        }
        entries.sort_by_key(|(place, ..)| *place);
        for (place, at, entry) in entries {
            self.cursor = self.cursor.max(place.0);
            if !self.transactions[at].delivered {
                let early = |saw: &usize| *saw != at && !self.transactions[*saw].delivered;
                if self.has_positions() && self.transactions[at].saw.iter().any(early) {
                    // An overwritten image shows as a torn one.
                    let overwrote = self.held[entry.row] != entry.prior;
                    return Err(if overwrote { Wrong::Torn } else { Wrong::Future });
                }
                self.transactions[at].delivered = true;
            }
            if self.held[entry.row] != entry.prior {
                return Err(Wrong::Torn);
            }
            self.held[entry.row] = entry.value;
        }
        if self.has_positions() {
            self.cursor = self.head();
            for transaction in &mut self.transactions {
                transaction.delivered |= transaction.position.is_some();
            }
        }
        Ok(())
    }

    /// The tables as of the head: as they are, but for the rows of the tail, which are as its first entries found them.
    fn check_head(&self) -> Result<(), Wrong> {
        let mut placed: Vec<&Transaction> =
            self.transactions.iter().filter(|transaction| transaction.position.is_some()).collect();
        placed.sort_by_key(|transaction| transaction.position);
        let mut expected = [0; ROWS];
        for entry in placed.iter().flat_map(|transaction| &transaction.entries) {
            expected[entry.row] = entry.value;
        }
        let mut tail: Vec<&Entry> = self
            .transactions
            .iter()
            .filter(|transaction| transaction.committed && transaction.position.is_none())
            .flat_map(|transaction| &transaction.entries)
            .collect();
        tail.sort_by_key(|entry| std::cmp::Reverse(entry.seq));
        let mut found = self.rows.map(|(value, _)| value);
        if self.bug != Bug::TailIgnored {
            for entry in tail {
                found[entry.row] = entry.prior;
            }
        }
        // In the order of first draws the log itself is torn, and the reader tells.
        if found == expected || self.bug == Bug::FirstDraws { Ok(()) } else { Err(Wrong::Head) }
    }

    /// All is done: the sequencer runs, the reader pulls, and holds what is there.
    pub(super) fn finish(mut self) -> Result<(), Wrong> {
        if self.has_positions() {
            let rest = self.look();
            self.publish(&rest)?;
        }
        self.pull()?;
        if self.held == self.rows.map(|(value, _)| value) { Ok(()) } else { Err(Wrong::Lost) }
    }
}
