//! The server's own tables. The names are part of the protocol; the shapes are each database's own.

pub mod postgres;
pub mod sqlite;
