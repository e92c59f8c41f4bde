//! The compile-fail cases of the macros and the typed surface: see `tests/ui.rs`. Here is code that the strictest lints
//! look at.

pub mod pedantic;
