mod history;
mod lifecycle;
mod on_delete;
mod random;
mod rebase;
mod support;
mod sync;
