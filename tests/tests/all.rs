//! All integration tests, in one binary.

mod model;
mod sim;
