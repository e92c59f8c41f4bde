//! What is encrypted in the client's file.

mod cells;
mod opening;
mod rotation;
mod traces;
