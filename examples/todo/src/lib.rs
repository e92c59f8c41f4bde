//! A shared to-do list: the schema, the mutators and the policies that the client and the server both run.
//!
//! The bearer token of this example *is* the user's name. That is no authentication: a real program checks a session
//! or a signed token in [`serve::authenticate`].

pub mod app;
pub mod command;
pub mod demo;
pub mod serve;
