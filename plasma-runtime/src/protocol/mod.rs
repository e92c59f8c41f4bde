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

/// The format of images: what [`PullResponse::image`] offers and `GET {base}/image` answers with.
pub const IMAGE_FORMAT: &str = "sqlite-2";

/// The header of an image with the SHA-256 of its bytes, as lower-case hex.
pub const IMAGE_HASH_HEADER: &str = "plasma-image-sha256";
