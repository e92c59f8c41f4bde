//! Sealing at the border: a value is encrypted before anything of the library takes it in.
//!
//! Arguments of a mutation are stored in the outbox, sent, and run again on the server. What must not be read there is
//! sealed before: by hand (`client.seal(..)`), or by `#[arg(seal(..))]`, which makes a second struct whose fields are in
//! the clear and which can do nothing but be sealed. Nothing here encrypts: a [`Seal`] does, and a transaction has none.

use uuid::Uuid;

use super::{Mutation, RunsIn};
use crate::error::{Error, ErrorKind, Result};
use crate::future::MaybeSend;
use crate::query::typed::Col;
use crate::schema::{Id, Schema, Sealed, SealedColumn, Table};
use crate::value::{Envelope, KeyId};

/// Where an encrypted value belongs: its envelope opens at this place only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// SQL name of the table.
    pub table: &'static str,
    /// Id of the row.
    pub row: Uuid,
    /// SQL name of the column.
    pub column: &'static str,
}

impl Place {
    /// The cell of a column in a row of its table.
    pub const fn of<R: Table, V>(column: Col<R, V>, row: Id<R>) -> Self {
        Place { table: R::NAME, row: row.uuid(), column: column.name() }
    }
}

/// Makes envelopes: `crypto::Sealer`, with a keyring.
pub trait Seal {
    /// Encrypts `plain` for a place, with the key of this id, or with the one that is current there.
    ///
    /// # Errors
    /// [`Encryption`](ErrorKind::Encryption) when there is no such key, or it has sealed as many values as it may;
    /// [`Config`](ErrorKind::Config) when there is no keyring.
    fn seal_bytes(&mut self, place: &Place, key: Option<&KeyId>, plain: &[u8]) -> Result<Envelope>;
}

/// Where nothing can be sealed.
#[derive(Debug)]
pub(crate) struct NoKeys;

impl Seal for NoKeys {
    fn seal_bytes(&mut self, _: &Place, _: Option<&KeyId>, _: &[u8]) -> Result<Envelope> {
        Err(Error::new(
            ErrorKind::Config,
            "there is no keyring to seal with: open the client with `.keyring(..)`, a feature of `encryption`",
        ))
    }
}

/// Fields of arguments that `#[arg(seal(..))]` can fill: `Sealed<_>`, and `Option` of it.
#[diagnostic::on_unimplemented(
    message = "`#[arg(seal(..))]` needs a field of type `Sealed<_>`, found `{Self}`",
    label = "expected `Sealed<_>` or `Option<Sealed<_>>`"
)]
pub trait SealedField: Sized {
    /// The type of the value inside.
    type Value: 'static;
    /// The field before it is sealed.
    type Plain;
    /// Seals what there is to seal.
    ///
    /// # Errors
    /// Those of `seal`.
    #[doc(hidden)]
    fn seal_with(plain: Self::Plain, seal: impl FnOnce(&Self::Value) -> Result<Envelope>) -> Result<Self>;
}

impl<T: 'static> SealedField for Sealed<T> {
    type Value = T;
    type Plain = T;
    fn seal_with(plain: T, seal: impl FnOnce(&T) -> Result<Envelope>) -> Result<Self> {
        seal(&plain).map(Sealed::from_envelope)
    }
}
impl<T: 'static> SealedField for Option<Sealed<T>> {
    type Value = T;
    type Plain = Option<T>;
    fn seal_with(plain: Option<T>, seal: impl FnOnce(&T) -> Result<Envelope>) -> Result<Self> {
        plain.map(|value| seal(&value).map(Sealed::from_envelope)).transpose()
    }
}

/// The arguments of a mutation before they are sealed: `PlainEditNote` for `EditNote`. Implemented by `#[plasma::args]`
/// where a field has `#[arg(seal(..))]`.
pub trait SealArgs: Sized {
    /// The arguments as they are stored and sent.
    type Sealed;
    /// Checks the rules of the fields that are sealed, and seals them.
    ///
    /// # Errors
    /// [`Validation`](ErrorKind::Validation) when a rule is broken; those of [`Seal::seal_bytes`].
    fn seal(self, sealer: &mut dyn Seal) -> Result<Self::Sealed>;
}

/// What `client.mutate(..)` takes on a client of schema `S`: the arguments of a mutator, or their plain form, which is
/// sealed first.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a mutation of schema `{S}`",
    label = "no mutator of `{S}` takes `{Self}` as its arguments",
    note = "declare one in a `#[plasma::mutators({S})]` block: `async fn name(tx: &mut Tx<'_>, ctx: &Ctx, args: {Self}) -> plasma::Result<()>`",
    note = "a mutator never takes a `Plain..` struct: declare it with the arguments that it is the plain form of"
)]
pub trait IntoMutation<S: Schema>: MaybeSend + 'static {
    /// Whether there is something to seal.
    #[doc(hidden)]
    const SEALS: bool = true;
    /// The arguments as they are stored and sent.
    type Mutation: RunsIn<S>;
    /// Seals what is to be sealed.
    ///
    /// # Errors
    /// Those of [`SealArgs::seal`].
    #[doc(hidden)]
    fn into_mutation(self, sealer: &mut dyn Seal) -> Result<Self::Mutation>;
}

// `Mutation` is there for coherence: of a plain form the compiler knows that it is none.
#[diagnostic::do_not_recommend]
impl<S: Schema, M: Mutation + RunsIn<S>> IntoMutation<S> for M {
    const SEALS: bool = false;
    type Mutation = M;
    fn into_mutation(self, _: &mut dyn Seal) -> Result<M> {
        Ok(self)
    }
}

/// Columns that hold a sealed `T`: one bound, so that a wrong column is one error.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a `{Self}` column cannot hold a sealed `{T}`",
    label = "expected a column of type `Sealed<{T}>`, `Option<Sealed<{T}>>` or `Lww<Sealed<{T}>>`"
)]
pub trait SealedAs<T> {}

#[diagnostic::do_not_recommend]
impl<T, V: SealedColumn<Value = T>> SealedAs<T> for V {}

/// Seals one field. `column` says of which column the value is, `row` of which row.
///
/// # Errors
/// Those of [`Seal::seal_bytes`].
#[doc(hidden)]
pub fn seal_field<F, R, V>(
    sealer: &mut dyn Seal,
    column: Col<R, V>,
    row: Id<R>,
    key: Option<&KeyId>,
    plain: F::Plain,
) -> Result<F>
where
    F: SealedField,
    R: Table,
    V: SealedAs<F::Value>,
    F::Value: serde::Serialize,
{
    F::seal_with(plain, |value| seal_value(sealer, &Place::of(column, row), key, value))
}

/// Writes a value as JSON and encrypts that.
///
/// # Errors
/// Those of [`Seal::seal_bytes`]; [`Validation`](ErrorKind::Validation) when the value cannot be written as JSON.
pub(crate) fn seal_value<T: serde::Serialize + ?Sized>(
    sealer: &mut dyn Seal,
    place: &Place,
    key: Option<&KeyId>,
    value: &T,
) -> Result<Envelope> {
    // serde's own words may repeat the value.
    let plain = serde_json::to_vec(value).map_err(|_| {
        Error::validation(format!("the value for `{}.{}` cannot be written as JSON", place.table, place.column))
    })?;
    sealer.seal_bytes(place, key, &plain)
}
