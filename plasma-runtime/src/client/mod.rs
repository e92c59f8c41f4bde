//! The client engine and the client handle.
//!
//! [`event`] is the border: events and a store in, actions out.

pub mod engine;
pub mod event;
pub mod outcomes;
pub(crate) mod runtime;
pub mod status;
mod transport;

pub use engine::{Durability, Engine, EngineOptions, Mutated, OnMismatch, RetryPolicy, SignOut};
pub use outcomes::{Outcome, OutcomeStatus};
pub use status::{Status, Stuck};
pub use transport::{AuthProvider, Endpoint, Headers, InProcess, Transport};
#[cfg(all(feature = "http-client", not(target_family = "wasm")))]
pub use transport::{HttpOptions, HttpTransport};
