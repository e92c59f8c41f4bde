//! Jobs: mutations that the server itself runs, at most once per key.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Task;
use super::http::Server;
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::mutate::{ErasedCtx, MutatorDef, RunsIn};
use crate::schema::Schema;

/// A job that has not run yet: `server.invoke(CancelStale { .. }).as_ctx(&ctx).key("nightly-2026-11-21").await?`.
#[must_use = "a job runs when it is awaited"]
pub struct Invocation<S, M> {
    server: Server<S>,
    mutation: M,
    ctx: Option<Arc<ErasedCtx>>,
    key: Option<String>,
}

impl<S, M> fmt::Debug for Invocation<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<S: Schema> Server<S> {
    /// A mutation to be run by the server itself. It goes through the writer like everybody's; its writes are checked
    /// against the policy of the context it is given.
    pub fn invoke<M: RunsIn<S>>(&self, mutation: M) -> Invocation<S, M> {
        Invocation { server: self.clone(), mutation, ctx: None, key: None }
    }
}

impl<S: Schema, M: RunsIn<S>> Invocation<S, M> {
    /// On whose behalf. Required: a mutator is always given a context.
    pub fn as_ctx(mut self, ctx: &S::Ctx) -> Self
    where
        S::Ctx: Clone,
    {
        self.ctx = Some(Arc::new(ctx.clone()));
        self
    }

    /// Runs this mutator at most once with this key, however often it is invoked and whatever its arguments: later
    /// invocations end as the first did. The ids the mutator makes come from the key.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    async fn run(self) -> Result<()> {
        let ctx = self.ctx.ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("`{}` is invoked without a context: call `.as_ctx(..)`", M::NAME))
        })?;
        let args: Arc<str> = self
            .mutation
            .to_json()
            .map_err(|e| Error::new(ErrorKind::InvalidArgs, "the arguments have no JSON form").with_source(e))?
            .into();
        let mutator = const { MutatorDef::of::<M>() };
        let whose = Arc::clone(&ctx);
        let task = Task {
            ctx: Some(ctx),
            key: self.key.map(|key| job_key(M::NAME, &key)),
            run: Arc::new(move |executor, meta| {
                let (ctx, args) = (Arc::clone(&whose), Arc::clone(&args));
                Box::pin(async move { mutator.start(executor, meta, &*ctx, &args).await })
            }),
        };
        self.server.inner.backend.task(task).await
    }
}

impl<S: Schema, M: RunsIn<S>> IntoFuture for Invocation<S, M> {
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
