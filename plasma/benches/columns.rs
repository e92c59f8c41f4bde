//! Scenario `columns`: what values that are more than plain ones cost.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "a benchmark")]

#[cfg(feature = "encryption")]
#[path = "columns/seal.rs"]
mod seal;
mod util;

fn main() {
    #[cfg(feature = "encryption")]
    seal::run();
}
