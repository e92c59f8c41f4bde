//! Scenario `columns`: what values that are more than plain ones cost, in memory and in rows written.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "a benchmark")]

#[cfg(feature = "encryption")]
#[path = "columns/at_rest.rs"]
mod at_rest;
#[path = "columns/crdt.rs"]
mod crdt;
#[cfg(feature = "encryption")]
#[path = "columns/rows.rs"]
mod rows;
#[cfg(feature = "encryption")]
#[path = "columns/seal.rs"]
mod seal;
mod util;

fn main() {
    crdt::counters();
    crdt::sets();
    #[cfg(feature = "encryption")]
    {
        seal::run();
        rows::run();
        at_rest::run();
    }
}
