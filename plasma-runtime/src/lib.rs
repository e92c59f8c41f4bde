//! The engines behind plasma. Everything here is usable without the macros; most people want the `plasma` crate.

#![cfg_attr(
    not(all(feature = "client", feature = "http-server", feature = "sqlite")),
    allow(dead_code, reason = "what engines share is not all used by each alone; all together leave nothing over")
)]
#![cfg_attr(
    not(any(feature = "client", feature = "server")),
    allow(unused_imports, reason = "a crate that only declares a schema has no engine to use these")
)]

pub mod crdt;
#[cfg(feature = "encryption")]
pub mod crypto;
pub mod error;
pub mod future;
pub mod inputs;
pub mod mutate;
pub mod protocol;
pub mod query;
pub mod schema;
pub mod store;
pub mod value;

#[cfg(feature = "client")]
pub mod client;
#[cfg(all(feature = "sim", any(test, feature = "fuzz-internals")))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(any(feature = "client", feature = "http-server"))]
pub mod live;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "sim")]
pub mod sim;

pub use error::{Error, ErrorKind, Result};
pub use schema::{Id, Json};
pub use value::{Date, FileHash, FileRef, Fixed, Rounding, Timestamp};

/// The `http` crate of the server's `auth` functions.
#[cfg(feature = "http-server")]
pub use http;
