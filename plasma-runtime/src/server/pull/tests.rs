//! Pulls against a database that plain SQL writes to, and a model that knows nothing of logs and edges.

mod compaction;
#[cfg(feature = "postgres")]
mod concurrent;
mod database;
mod flow;
mod model;
mod named;
mod parts;
mod random;
mod schema;
mod speed;
mod world;
mod write;
