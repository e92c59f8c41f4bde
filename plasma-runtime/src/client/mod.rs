//! The client engine and the client handle.
//!
//! [`event`] is the border: events and a store in, actions out.

pub mod engine;
pub mod event;
pub mod outcomes;
pub mod status;

pub use engine::{Durability, Engine, EngineOptions, Mutated, OnMismatch, RetryPolicy, SignOut};
pub use outcomes::{Outcome, OutcomeStatus};
pub use status::{Status, Stuck};
