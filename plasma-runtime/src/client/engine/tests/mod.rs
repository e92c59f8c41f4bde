mod rebase;
mod support;
