#[cfg(feature = "encryption")]
mod at_rest;
mod clock;
mod disk_full;
mod doctor;
mod drift;
mod history;
mod lifecycle;
mod migrate;
mod on_delete;
mod pending;
mod policy;
mod random;
mod rebase;
mod support;
mod sync;
mod upsert;
