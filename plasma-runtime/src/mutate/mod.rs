//! Mutators: what runs them ([`Executor`]), what they are told ([`TxMeta`]), what they are given ([`Tx`]), and how
//! engines find them ([`MutatorDef`], [`PolicyDef`]).

mod args;
mod conflict;
mod executor;
mod meta;
mod mutation;
mod new_row;
mod observed;
pub(crate) mod operation;
mod policy;
mod random;
mod record;
mod registry;
pub(crate) mod reseal;
mod run;
mod seal;
mod stamp;
mod statements;
#[cfg(test)]
mod tests;
mod tx;
mod upgrade;
mod validate;
mod validators;
mod write;

pub use conflict::{Conflict, ConflictFn, ConflictRows, ResolveFn};
pub use executor::{Access, Executor};
#[cfg(feature = "server")]
pub(crate) use meta::CrdtRules;
pub use meta::{Location, Reason, TxMeta};
pub use mutation::{CtxArg, Mutation, MutatorArgs, MutatorOutput, MutatorSet, RegisteredIn, RunsIn, TxArg, check_args};
pub use new_row::{Extended, Insertable, New, Required, Whole};
pub(crate) use observed::Observed;
pub(crate) use operation::Step;
pub use operation::{Cell, Operation};
pub use policy::{Columns, Policy, columns};
pub use random::RandomValue;
pub(crate) use record::Effects;
pub use registry::{ErasedCtx, MutatorDef, PolicyDef, RulesFn, RunFn, TableRules};
pub use reseal::{Reseal, ResealBatch};
#[cfg(feature = "server")]
#[cfg(feature = "server")]
pub use run::StatementsFn;
#[cfg(feature = "server")]
pub(crate) use run::start_statements;
#[cfg(feature = "client")]
pub(crate) use seal::NoKeys;
#[cfg(feature = "encryption")]
pub(crate) use seal::seal_value;
pub use seal::{IntoMutation, Place, Seal, SealArgs, SealedField, seal_field};
pub(crate) use stamp::{time, touch};
pub use tx::{OfCaller, OfServer, Rights, Trusted, Tx};
pub use upgrade::UpgradeFn;
pub use validate::{Checks, FieldError, Validate};
pub use validators::{ValidByGarde, ValidByValidator};
pub use write::{
    Delete, DeleteWhere, Insert, InsertAll, Returning, Update, UpdateWhere, UpdateWhereWithoutSet, UpdateWithoutSet,
    Upsert, Upserted,
};
