mod history;
mod lifecycle;
mod on_delete;
mod policy;
mod random;
mod rebase;
mod support;
mod sync;
