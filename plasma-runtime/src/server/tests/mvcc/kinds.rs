//! What happens in the model, and what may go wrong.

/// What a transaction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Write(usize),
    Read(usize),
}

/// A transaction of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Program {
    /// It draws its unit first, and a number for its outcome last.
    pub(super) is_mutation: bool,
    pub(super) steps: &'static [Step],
}

/// What is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Bug {
    None,
    /// A cursor on the numbers of the sequence.
    Numbers,
    /// By transaction id, of what is older than all that is open.
    Transactions,
    /// Positions in the order of first draws.
    FirstDraws,
    /// A mutation is ordered by its last write, not by a draw of its own.
    NoLastDraw,
    /// The sequencer waits for its lock with a snapshot it already has.
    SnapshotBeforeLock,
    NoLock,
    /// Acknowledgements are read after the page, in another snapshot.
    AckOutside,
    /// The tables are taken to be as of the head although they show commits that have no position.
    TailIgnored,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Wrong {
    /// The reader ends with other rows than the tables.
    Lost,
    /// An entry found another image than the entries before it leave.
    Torn,
    /// A unit came before one it had read from.
    Future,
    /// Two units have one position, or one unit had two.
    Position,
    /// A mutation is acknowledged and its rows are not there.
    Ack,
    /// The tables as of the head are not what the log up to it says.
    Head,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Action {
    /// The transaction's next step.
    Go(usize),
    /// A sequencer looks; with the slip it does so before it has its lock.
    Look(usize),
    /// It gets the lock it waited for.
    Take(usize),
    /// Its work becomes visible.
    Publish(usize),
    Pull,
    /// Acknowledgements, where they are read apart.
    Ack,
}
