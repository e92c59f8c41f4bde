//! The wire: messages, cookie, limits and error codes. The protocol is described in the book.

pub mod cookie;
#[cfg(test)]
mod golden;
mod http;
mod limits;
mod messages;

pub use http::{Method, WireRequest, WireResponse};
pub use limits::Limits;
pub use messages::*;

/// The version every message carries.
pub const PROTOCOL_VERSION: u64 = 1;
