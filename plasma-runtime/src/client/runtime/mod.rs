//! What runs around the engine: the turn of the writer, the sync loop, the queue of what the application hears.

pub(crate) mod clock;
pub(crate) mod dispatch;
mod driver;
mod outcomes;
mod parts;
mod perform;
mod receipts;
mod shared;
pub(crate) mod watch;

pub(crate) use clock::SharedEntropy;
pub(crate) use driver::drive;
pub(crate) use parts::{Core, Hooks, Network, Parts};
pub(crate) use shared::Shared;
