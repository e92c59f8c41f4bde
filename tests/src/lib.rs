//! The integration tests live in `tests/all.rs`, in one binary; this library is empty.
