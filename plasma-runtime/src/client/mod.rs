//! The client engine and the client handle.
//!
//! [`event`] is the border: events and a store in, actions out.

mod args;
mod effects;
pub mod engine;
pub mod event;
mod executor;
mod footprint;
mod identity;
mod inbox;
mod lease;
mod on_delete;
pub mod outbox;
pub mod outcomes;
mod rebase;
mod rotate;
mod rows;
pub(crate) mod runtime;
mod schedule;
pub mod status;
mod tables;
mod transport;

pub use engine::{Durability, Engine, EngineOptions, Mutated, OnMismatch, RetryPolicy, SignOut};
pub use outbox::{QueuedMutation, Skip};
pub use outcomes::{Outcome, OutcomeStatus};
pub use rebase::Stats;
pub use status::{Status, Stuck};
pub use transport::{AuthProvider, Endpoint, Headers, InProcess, Transport};
#[cfg(all(feature = "http-client", not(target_family = "wasm")))]
pub use transport::{HttpOptions, HttpTransport};
