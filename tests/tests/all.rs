//! All integration tests, in one binary.

mod client;
mod model;
mod sim;
