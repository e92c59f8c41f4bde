//! Live queries against SQLite.
//!
//! One case is rows, one to three live queries over them (at times two equal ones) and a sequence of steps: transactions
//! of several rows, rebases (undo, patch, replay), transactions that change nothing, are rolled back or are somebody
//! else's, subscriptions that begin and end, queries that are opened, closed and replaced. After **each** step, for each
//! query:
//!
//! 1. its rows are those that SQLite answers with when it is asked afresh, in that order; or a calculation left its range
//!    on one side at least, and a query that failed for that is right again as soon as nothing overflows;
//! 2. what was said, in one call a transaction, leads from the rows before to those now, names each row that changed and
//!    no other, at its places; nothing is said when nothing changed;
//! 3. equal queries say the same.
//!
//! Nothing here knows how live queries are kept up to date. [`planted`] shows that the comparison is worth something.

mod case;
mod coverage;
mod named;
mod planted;
mod regressions;
mod rows;
mod runner;
mod shapes;
mod steps;
mod watch;
mod world;
