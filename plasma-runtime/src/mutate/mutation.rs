//! Mutations: arguments with a mutator.

use super::args;
use super::{Checks, ErasedCtx, Executor, MutatorDef, Tx, TxMeta, UpgradeFn};
use crate::error::{Error, Result};
use crate::future::{BoxFuture, MaybeSend};
use crate::schema::Schema;

/// The arguments of a mutator, as they are stored and sent. Implemented by `#[plasma::args]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be mutator arguments",
    label = "not mutator arguments",
    note = "annotate the struct with `#[plasma::args]`"
)]
pub trait MutatorArgs: MaybeSend + Sized + 'static {
    /// Reads them from the JSON text of an object.
    ///
    /// # Errors
    /// Those of serde.
    fn from_json(json: &str) -> serde_json::Result<Self>;

    /// Writes them as the JSON text of an object.
    ///
    /// # Errors
    /// Those of serde: a map whose keys are no text.
    fn to_json(&self) -> serde_json::Result<String>;

    /// Reports broken rules: those of `#[arg(..)]` and of `Validate`.
    fn check(&self, checks: &mut Checks) {
        let _ = checks;
    }
}

/// Arguments with the mutator that takes them. Implemented by `#[plasma::mutators]` for the type of the third
/// parameter of each mutator.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a mutation",
    label = "no mutator takes `{Self}` as its arguments",
    note = "declare one in a `#[plasma::mutators]` block: `async fn name(tx: &mut Tx<'_>, ctx: &Ctx, args: {Self}) -> plasma::Result<()>`"
)]
pub trait Mutation: MutatorArgs {
    /// The schema the mutator writes to.
    type Schema: Schema;
    /// Wire name, such as `todos.create`.
    const NAME: &'static str;
    /// The client only queues it; there is no optimistic effect.
    const SERVER_ONLY: bool = false;
    /// The wire names it had in earlier versions of the schema.
    const ALIASES: &'static [&'static str] = &[];
    /// Turns the arguments that programs with earlier versions of the schema made into today's, before they are read.
    const UPGRADE: Option<UpgradeFn> = None;

    /// Runs the mutator.
    ///
    /// # Errors
    /// Those of the mutator: a refusal rejects the mutation, anything else is tried again.
    fn run<'a>(
        self,
        tx: &'a mut Tx<'_, Self::Schema>,
        ctx: &'a <Self::Schema as Schema>::Ctx,
    ) -> BoxFuture<'a, Result<()>>;
}

/// Mutation `Self` can be called on a client or server of schema `S`. Implemented by `#[plasma::mutators(S)]`.
///
/// The one bound of `server.invoke(..)`, and of what `client.mutate(..)` makes of its argument.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a mutation of schema `{S}`",
    label = "no mutator of `{S}` takes `{Self}` as its arguments",
    note = "declare one in a `#[plasma::mutators({S})]` block: `async fn name(tx: &mut Tx<'_>, ctx: &Ctx, args: {Self}) -> plasma::Result<()>`"
)]
pub trait RunsIn<S: Schema>: Mutation {}

/// A block of mutators. Implemented by `#[plasma::mutators]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of mutators",
    label = "not a set of mutators",
    note = "annotate its `impl` block with `#[plasma::mutators(..)]`"
)]
pub trait MutatorSet: 'static {
    /// The schema they write to.
    type Schema: Schema;
    /// The mutators.
    const MUTATORS: &'static [MutatorDef];
}

/// The set of mutators `Self` is listed in schema `S`. Implemented by `#[plasma::schema]`.
#[diagnostic::on_unimplemented(
    message = "the mutators of `{Self}` are not registered in schema `{S}`",
    label = "not registered",
    note = "list it: `#[plasma::schema(mutators(.., {Self}))]`"
)]
pub trait RegisteredIn<S: Schema> {}

/// The type of a mutator's first parameter.
#[diagnostic::on_unimplemented(
    message = "the first parameter of a mutator must be `&mut Tx<'_>`, not `{Self}`",
    label = "expected `&mut Tx<'_>` of schema `{S}`",
    note = "expected `async fn name(tx: &mut Tx<'_>, ctx: &Ctx, args: Args) -> plasma::Result<()>`"
)]
pub trait TxArg<'a, 't, S> {
    /// The transaction, as the parameter.
    #[doc(hidden)]
    fn of(tx: &'a mut Tx<'t, S>) -> Self;
}
impl<'a, 't, S> TxArg<'a, 't, S> for &'a mut Tx<'t, S> {
    fn of(tx: &'a mut Tx<'t, S>) -> Self {
        tx
    }
}

/// The type of a mutator's second parameter.
#[diagnostic::on_unimplemented(
    message = "the second parameter of a mutator must be `&{C}`, not `{Self}`",
    label = "expected `&{C}`, the context of the schema",
    note = "expected `async fn name(tx: &mut Tx<'_>, ctx: &{C}, args: Args) -> plasma::Result<()>`"
)]
pub trait CtxArg<'a, C> {
    /// The context, as the parameter.
    #[doc(hidden)]
    fn of(ctx: &'a C) -> Self;
}
impl<'a, C> CtxArg<'a, C> for &'a C {
    fn of(ctx: &'a C) -> Self {
        ctx
    }
}

/// The type a mutator returns.
#[diagnostic::on_unimplemented(
    message = "a mutator returns `plasma::Result<()>`, not `{Self}`",
    label = "expected `plasma::Result<()>`",
    note = "both sides run it, so it has no value to return"
)]
pub trait MutatorOutput {
    /// The result.
    #[doc(hidden)]
    fn done(self) -> Result<()>;
}
impl MutatorOutput for Result<()> {
    fn done(self) -> Result<()> {
        self
    }
}

impl MutatorDef {
    /// The mutator of `M`, its type forgotten. It reads the arguments strictly, checks them, and runs.
    pub const fn of<M: Mutation>() -> Self {
        MutatorDef {
            name: M::NAME,
            aliases: M::ALIASES,
            server_only: M::SERVER_ONLY,
            upgrade: M::UPGRADE,
            run: run::<M>,
        }
    }
}

/// Checks the rules of the arguments, as every run does first.
///
/// # Errors
/// [`Validation`](crate::ErrorKind::Validation), with the fields in `data`.
pub fn check_args<M: MutatorArgs>(args: &M) -> Result<()> {
    let mut checks = Checks::new();
    args.check(&mut checks);
    checks.finish()
}

fn run<'t, M: Mutation>(
    executor: &'t mut dyn Executor,
    meta: &'t TxMeta,
    ctx: &'t ErasedCtx,
    json: &'t str,
) -> BoxFuture<'t, Result<()>> {
    let prepared = prepare::<M>(ctx, json);
    Box::pin(async move {
        let (args, ctx) = prepared?;
        args.run(&mut Tx::new(executor, meta), ctx).await
    })
}

fn prepare<'t, M: Mutation>(ctx: &'t ErasedCtx, json: &str) -> Result<(M, &'t <M::Schema as Schema>::Ctx)> {
    let args: M = args::decode(json)?;
    check_args(&args)?;
    Ok((args, downcast_ctx(ctx)?))
}

/// The context as its type.
///
/// # Errors
/// [`Internal`](crate::ErrorKind::Internal) when the engine was given the context of another schema.
pub(crate) fn downcast_ctx<C: 'static>(ctx: &ErasedCtx) -> Result<&C> {
    ctx.downcast_ref().ok_or_else(|| {
        Error::internal(format!(
            "the context is not a `{}`: it was made for another schema",
            std::any::type_name::<C>()
        ))
    })
}
