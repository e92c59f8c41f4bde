//! A tour of plasma's language for schemas, queries and mutators, as one application: a cooperative of bicycle workshops.
//!
//! Read [`schema`] first, then [`mutators`], then [`queries`]. `README.md` says which file shows what.

pub mod mutators;
pub mod queries;
pub mod report;
pub mod schema;
pub mod story;
pub mod world;
