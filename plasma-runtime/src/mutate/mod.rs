//! Mutators: what runs them ([`Executor`]), what they are told ([`TxMeta`]), and how engines find them
//! ([`MutatorDef`], [`PolicyDef`]).

mod executor;
mod meta;
mod registry;

pub use executor::{Access, Executor};
pub use meta::{Location, Reason, TxMeta};
pub use registry::{ErasedCtx, MutatorDef, PolicyDef, RulesFn, RunFn, TableRules};
