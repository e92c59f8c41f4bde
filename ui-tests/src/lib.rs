//! The compile-fail cases of the macros and the typed surface: see `tests/ui.rs`.
