//! What runs around the engine.

pub(crate) mod dispatch;
