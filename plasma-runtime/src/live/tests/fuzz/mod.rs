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
//! Nothing here knows how live queries are kept up to date, but for the share of incremental ones in the figures.
//! [`planted`] shows that the comparison is worth something: bugs in what the live side is asked and told, in every run.
//! Bugs of the stages themselves were planted by hand, one at a time, and each was found within the cases of a normal run:
//!
//! - windows: one row too few moves over the edge; no refill; a refill that takes half; rows beyond the boundary taken in;
//!   the offset one short; a count that is not cut; ties the other way round; a chunk of a list split to the wrong side;
//! - joins: the NULL row of a left join that stays beside a match, or that does not come back; a pair both of whose sides
//!   change counted twice;
//! - groups: not gone with its last row; the smallest and the greatest value not gone; nothing subtracted from a sum; NULL
//!   counted; `having` not asked again; a distinct row gone with its first copy;
//! - sub-queries: `exists` from the second row on; `in` without the NULL among its members; a member gone with its first
//!   copy; `in` when the set becomes empty; rows not asked again when their answer changes; a deletion that the copies of
//!   tables do not pass on;
//! - related rows: not changed where they are shown; places not moved by what goes before them;
//! - routes: the end of a range taken as outside; only the row after a change looked at; a foreign change not read.

mod case;
mod coverage;
mod hot;
mod named;
mod planted;
mod regressions;
mod rows;
mod runner;
mod shapes;
mod states;
mod steps;
mod watch;
mod world;
