//! End-to-end encrypted notes with tags and likes: the server keeps them, brings them from device to device, and cannot
//! read them.
//!
//! - [`app`]: the tables, the policies and the mutators, which both sides run.
//! - [`keys`]: the file with a circle's keys, which the server never sees.
//! - [`serve`]: the server.
//! - [`command`]: what a device can be told to do.
//! - [`dump`]: everything that is in the server's database.
//! - [`demo`]: the story of two devices.
//!
//! The bearer token of this example *is* the circle's name. That is no authentication, and it does not have to be good for
//! the notes to be secret: who is let in by mistake gets envelopes, as the server does.

pub mod app;
pub mod command;
pub mod demo;
pub mod dump;
pub mod keys;
pub mod serve;
