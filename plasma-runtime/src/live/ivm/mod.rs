//! Incremental maintenance of live queries.
//!
//! A query becomes a line of stages (`compile`), each of which keeps what it needs to answer a change without asking the
//! store again: sources (`source`), joins (`join`), values of sub-queries (`attach`), groups (`group`), the ordered and cut
//! result (`tail`), related rows (`nested`). The changes of a transaction pass them as rows with weights
//! (`pipeline`), and out comes what changed, place by place (`window`).
//!
//! What every stage computes is a function of the rows it was given and not of their history, so that a result never
//! depends on how it came about; the differential tests compare it with SQLite's after every transaction.

mod ask;
mod attach;
mod bound;
mod class;
mod compile;
mod conditions;
mod copies;
mod group;
mod interest;
mod join;
mod key;
mod list;
mod nested;
mod pipeline;
mod source;
mod tail;
mod touched;
mod window;

#[cfg(feature = "client")]
pub(crate) use class::class_of;
pub use class::{Class, classify};
pub(crate) use interest::Interest;
#[cfg(feature = "client")]
pub(crate) use interest::{Range, What};
pub(crate) use key::{Key, SharedRow};
pub(crate) use pipeline::{Loads, Pipeline, Ready};

use crate::query::ir::Query;

/// Why a query cannot be maintained incrementally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) String);

impl Refusal {
    fn new(reason: &str) -> Self {
        Refusal(reason.to_owned())
    }
}

/// The stages of a query.
pub(crate) fn compile(query: &Query) -> Result<Pipeline, Refusal> {
    compile::compile(query, &[], true)
}
