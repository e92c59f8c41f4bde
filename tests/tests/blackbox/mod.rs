//! The library from outside: real processes, real sockets, SIGKILL.

mod bad_input;
mod child;
mod kill;
mod kill_at_sync;
mod kill_compaction;
mod network;
mod processes;
mod program;
mod raw;
pub(crate) mod shim;
