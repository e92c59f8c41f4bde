//! The client engine and the client handle.
//!
//! [`event`] is the border: events and a store in, actions out.

pub mod event;
