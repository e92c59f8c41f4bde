//! Jobs: mutations that the server itself runs, at most once per key.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Task;
use super::http::Server;
use super::push::has_nul;
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::mutate::{ErasedCtx, MutatorDef, RunsIn};
use crate::schema::Schema;

/// A job that has not run yet: `server.invoke(CancelStale { .. }).as_ctx(&ctx).key("nightly-2026-11-21").await?`.
///
/// Awaiting it fails as the mutator does: a refusal of its own, `Unauthorized` by a policy, `Validation` and
/// [`InvalidArgs`](ErrorKind::InvalidArgs) of its arguments, [`Panic`](ErrorKind::Panic). Nothing of a job that failed
/// stays. [`UnknownMutator`](ErrorKind::UnknownMutator) says that no mutator has the name,
/// [`Config`](ErrorKind::Config) that there is no context, [`Fault`](ErrorKind::Fault) that the server has too much to
/// do or the database failed (nothing is known to be committed: with a key it may be invoked again),
/// [`Closed`](ErrorKind::Closed) that the server is closed.
#[must_use = "a job runs when it is awaited"]
pub struct Invocation<S> {
    server: Server<S>,
    what: Result<(MutatorDef, Arc<str>)>,
    ctx: Option<Arc<ErasedCtx>>,
    trusted: bool,
    key: Option<String>,
}

impl<S> fmt::Debug for Invocation<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.what.as_ref().ok().map(|(mutator, _)| mutator.name);
        f.debug_struct("Invocation").field("mutator", &name).field("key", &self.key).finish_non_exhaustive()
    }
}

impl<S: Schema> Server<S> {
    /// A mutation to be run by the server itself: in a durable transaction like everybody's, into the change log, with
    /// a poke. Its writes are checked against the policy of the context it is given.
    ///
    /// ```no_run
    /// # use plasma_runtime::{mutate::RunsIn, schema::Schema, server::Server};
    /// # async fn f<S: Schema<Ctx: Clone>, CancelStale: RunsIn<S>>(server: Server<S>, system: S::Ctx, job: CancelStale)
    /// # -> plasma_runtime::Result<()> {
    /// server.invoke(job).as_ctx(&system).key("nightly-2026-11-21").await?;
    /// # Ok(()) }
    /// ```
    pub fn invoke<M: RunsIn<S>>(&self, mutation: M) -> Invocation<S> {
        let args = mutation.to_json();
        let what = args
            .map(|args| (const { MutatorDef::of::<M>() }, args.into()))
            .map_err(|e| Error::new(ErrorKind::InvalidArgs, "the arguments have no JSON form").with_source(e));
        self.invocation(what)
    }

    /// [`invoke`](Self::invoke) by the name of the mutator on the wire, with its arguments as they are sent: for tools
    /// and schedulers.
    ///
    /// ```no_run
    /// # use plasma_runtime::{schema::Schema, server::Server};
    /// # async fn f<S: Schema<Ctx: Clone>>(server: Server<S>, system: S::Ctx) -> plasma_runtime::Result<()> {
    /// let args = serde_json::json!({ "before": "2026-11-01" });
    /// server.invoke_named("todos.cancel_stale", &args).as_ctx(&system).await?;
    /// # Ok(()) }
    /// ```
    pub fn invoke_named(&self, name: &str, args: &serde_json::Value) -> Invocation<S> {
        let known = self.inner.engine.definition().mutator(name).copied();
        let what =
            known.ok_or_else(|| Error::new(ErrorKind::UnknownMutator, format!("no mutator has the name `{name}`")));
        // As of a pushed mutation: no text column can hold the character.
        let what = what.and_then(|mutator| match args.to_string() {
            text if has_nul(&text) => {
                Err(Error::new(ErrorKind::InvalidArgs, "the arguments hold the character U+0000"))
            }
            text => Ok((mutator, text.into())),
        });
        self.invocation(what)
    }

    fn invocation(&self, what: Result<(MutatorDef, Arc<str>)>) -> Invocation<S> {
        Invocation { server: self.clone(), what, ctx: None, trusted: false, key: None }
    }
}

impl<S: Schema> Invocation<S> {
    /// On whose behalf. Required: a mutator is always given a context.
    pub fn as_ctx(mut self, ctx: &S::Ctx) -> Self
    where
        S::Ctx: Clone,
    {
        self.ctx = Some(Arc::new(ctx.clone()));
        self
    }

    /// Asks no policy: the mutator reads and writes everything. It is still given the context of
    /// [`as_ctx`](Self::as_ctx).
    pub fn trusted(mut self) -> Self {
        self.trusted = true;
        self
    }

    /// Runs this mutator at most once with this key, however often it is invoked and whatever its arguments: later
    /// invocations end as the first did. The ids the mutator makes come from the key.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    async fn run(self) -> Result<()> {
        let (mutator, args) = self.what?;
        let ctx = self.ctx.ok_or_else(|| {
            let message = format!("`{}` is invoked without a context: call `.as_ctx(..)`", mutator.name);
            Error::new(ErrorKind::Config, message)
        })?;
        let whose = Arc::clone(&ctx);
        let task = Task {
            ctx: (!self.trusted).then_some(ctx),
            key: self.key.map(|key| job_key(mutator.name, &key)),
            run: Arc::new(move |executor, meta| {
                let (ctx, args) = (Arc::clone(&whose), Arc::clone(&args));
                Box::pin(async move { mutator.start(executor, meta, &*ctx, &args).await })
            }),
        };
        self.server.inner.backend.task(task).await
    }
}

impl<S: Schema> IntoFuture for Invocation<S> {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'static, Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// The key of a job: a UUIDv8 (RFC 9562, section 5.8) over its mutator and the application's text.
fn job_key(mutator: &str, key: &str) -> Uuid {
    let mut hash = Sha256::new();
    for part in [mutator, key] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
