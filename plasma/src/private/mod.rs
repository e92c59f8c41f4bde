//! What the macros' output refers to. Not public API: it changes with the macros, which are of exactly this version.

pub mod args;
pub mod check;
mod column;
pub mod lock;
mod message;
mod options;
mod rejection;
pub mod rules;

pub use plasma_macros::{ArgsAttrs, TableAttrs};
pub use plasma_runtime::crdt::SetElement;
pub use plasma_runtime::error::{Error, Rejection, Result};
pub use plasma_runtime::future::BoxFuture;
pub use plasma_runtime::mutate::{
    Checks, ConflictFn, CtxArg, IntoMutation, Mutation, MutatorArgs, MutatorDef, MutatorOutput, MutatorSet, Policy,
    PolicyDef, RegisteredIn, RunsIn, Seal, SealArgs, SealedField, Tx, TxArg, UpgradeFn, ValidByGarde, ValidByValidator,
    Validate, seal_field,
};
pub use plasma_runtime::query::typed::{
    ChangeList, Changes, Col, FillFrom, Fills, Filter, Further, IdCol, Ordered, Path, Raw, Shape, Textual, There,
    Within, column_operands, field_source, numeric_newtype, text_operands,
};
pub use plasma_runtime::schema::{
    CheckDef, Codec, ColumnDef, ColumnType, Definition, FileOptions, Id, InSchema, IndexDef, LockedVersion, NewRow,
    OnDelete, RowReader, Scalar, Schema, SchemaDef, Table, TableDef, UploadTime, fingerprint,
};
pub use plasma_runtime::value::{KeyId, Kind, Value};
pub use serde;
pub use serde_json;

pub use column::{
    holds_text, int_value, is_number, other_is_not_stored, text_value, unknown_variant, variant_int, variant_text,
};
pub use options::{condition, patch_field};
pub use rejection::{FieldOf, field_of, member, with_members, with_value};

/// The type of a table's `id`.
#[diagnostic::on_unimplemented(
    message = "`id` of table `{T}` must be `Id<{T}>`, not `{Self}`",
    label = "expected `Id<{T}>`"
)]
pub trait RowId<T> {}
impl<T> RowId<T> for Id<T> {}

/// Asserts that `V` is the type of the id of `T`.
pub fn row_id<T, V: RowId<T>>() {}

/// The definition of a table that schema `S` lists.
///
/// It asks for [`InSchema`] only, so that a listed struct that is no table is one error, at the list.
pub const fn listed<S: Schema, T: InSchema<S>>() -> &'static TableDef {
    T::DEF
}

/// Asserts that schema `S` lists the set of mutators `M`.
pub fn registered<S: Schema, M: RegisteredIn<S>>() {}

/// What an engine is opened with. Tables that need no policy (`auth = open`, `local_only`) have none in it.
pub fn definition(schema: SchemaDef, mutators: &[&[MutatorDef]], policies: &[PolicyDef]) -> Definition {
    Definition {
        schema,
        mutators: mutators.concat(),
        policies: policies.iter().filter(|policy| !policy.table.open && !policy.table.local_only).copied().collect(),
    }
}
