//! All integration tests, in one binary.

mod blackbox;
mod client;
mod model;
mod sim;
