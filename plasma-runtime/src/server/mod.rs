//! The server engine: canonical runs, the change log, consistent pulls.
//!
//! Sans-I/O: every step is an async fn over a passed-in [`SqlExecutor`](crate::store::SqlExecutor), with the time and
//! the randomness passed in. The HTTP service and the writer thread are adapters around it.

mod engine;
mod refusal;
pub mod tables;

pub use engine::{Caller, PushJob, ServerEngine, ServerOptions};
pub use refusal::Refusal;
