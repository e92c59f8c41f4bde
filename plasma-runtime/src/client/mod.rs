//! The client engine and the client handle.
//!
//! [`event`] is the border of the engine: events and a store in, actions out. [`Client`] is what applications hold: it
//! joins the engine with a store, a transport, a clock and live queries.

mod args;
mod at_rest;
mod bases;
#[cfg(feature = "sqlite")]
pub mod doctor;
mod effects;
pub mod engine;
pub mod event;
pub(crate) mod executor;
mod footprint;
mod handle;
mod identity;
mod image;
mod inbox;
mod lease;
#[cfg(feature = "encryption")]
mod nonces;
mod on_delete;
mod options;
pub mod outbox;
pub mod outcomes;
mod pending;
mod rebase;
mod receipt;
mod rotate;
pub(crate) mod rows;
pub(crate) mod runtime;
mod schedule;
pub mod status;
mod tables;
mod transport;

pub use at_rest::AtRestCipher;
pub use engine::{Durability, Engine, EngineOptions, Mutated, OnMismatch, RetryPolicy, SignOut};
#[cfg(feature = "encryption")]
pub use handle::RotationProgress;
pub use handle::{Client, ClientBuilder, ReadTx};
#[cfg(feature = "sqlite")]
pub use options::SqliteStore;
pub use options::{ClientStore, OpenStore};
pub use outbox::{QueuedMutation, Skip};
pub use outcomes::{Outcome, OutcomeStatus};
pub use rebase::Stats;
pub use receipt::{Receipt, ReceiptState};
#[cfg(not(target_family = "wasm"))]
pub use runtime::clock::SystemClock;
pub use runtime::clock::{Clock, OsEntropy};
pub use runtime::watch::Watch;
pub use status::{Drift, Status, Stuck};
pub use transport::{AuthProvider, Endpoint, Headers, InProcess, Transport};
#[cfg(all(feature = "http-client", not(target_family = "wasm")))]
pub use transport::{HttpOptions, HttpTransport};
