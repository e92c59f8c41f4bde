//! A shared to-do list: the schema, the mutators and the policies that the client and the server both run.

pub mod app;
