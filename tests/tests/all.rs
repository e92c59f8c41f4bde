//! All integration tests, in one binary.
#![allow(
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::type_complexity,
    reason = "tests are adapters: they may look at the clock, start tasks and speak"
)]

mod apps;
mod at_rest;
mod blackbox;
mod client;
mod crdts;
mod denial;
mod dependencies;
mod lock;
mod merge;
mod model;
mod options;
mod place;
mod powerloss;
mod sealed;
mod sim;
mod text;
mod values;
mod versions;
