//! How engines find mutators and policies once the types are gone.

use std::any::Any;
use std::fmt;

use super::{Executor, TxMeta, UpgradeFn};
use crate::error::Result;
use crate::future::BoxFuture;
use crate::query::ir::Expr;
use crate::schema::TableDef;

/// The application's context, its type forgotten. The typed shells downcast it.
pub type ErasedCtx = dyn Any + Send + Sync;

/// Decodes and validates the arguments (JSON text), then runs the mutator.
pub type RunFn = for<'t> fn(&'t mut dyn Executor, &'t TxMeta, &'t ErasedCtx, &'t str) -> BoxFuture<'t, Result<()>>;

/// A mutator, as data.
#[derive(Clone, Copy)]
pub struct MutatorDef {
    /// Wire name, such as `todos.create`.
    pub name: &'static str,
    /// The wire names it had in earlier versions of the schema.
    pub aliases: &'static [&'static str],
    /// The client only queues it.
    pub server_only: bool,
    /// Turns the arguments of earlier versions into today's.
    pub upgrade: Option<UpgradeFn>,
    /// Runs it.
    pub run: RunFn,
}

impl fmt::Debug for MutatorDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MutatorDef")
            .field("name", &self.name)
            .field("server_only", &self.server_only)
            .finish_non_exhaustive()
    }
}

/// A table's four rules bound to one caller: conditions over a row of the table (level 0).
#[derive(Debug, Clone, PartialEq)]
pub struct TableRules {
    /// Which rows the caller may read.
    pub read: Expr,
    /// Which rows the caller may insert: must hold for the new row at the end of the mutation.
    pub insert: Expr,
    /// Which rows the caller may change: must hold before (at the statement) and after (at the end).
    pub update: Expr,
    /// Which rows the caller may delete: must hold before, when the statement runs.
    pub delete: Expr,
    /// Columns an update never changes.
    pub frozen: &'static [&'static str],
}

/// Binds a policy to a caller.
pub type RulesFn = fn(&ErasedCtx) -> Result<TableRules>;

/// A table's policy, as data.
#[derive(Clone, Copy)]
pub struct PolicyDef {
    /// The table.
    pub table: &'static TableDef,
    /// Binds the rules to a caller.
    pub rules: RulesFn,
}

impl fmt::Debug for PolicyDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyDef").field("table", &self.table.name).finish_non_exhaustive()
    }
}
