//! The client, as the application holds it.

#[cfg(feature = "encryption")]
mod at_rest;
mod builder;
mod reads;
#[cfg(feature = "encryption")]
mod rotation;
#[cfg(feature = "encryption")]
mod sealing;
mod sync;

use std::fmt;
use std::marker::PhantomData;
#[cfg(all(feature = "http-client", not(target_family = "wasm")))]
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use uuid::Uuid;

pub use builder::ClientBuilder;
pub use reads::ReadTx;
#[cfg(feature = "encryption")]
pub use rotation::RotationProgress;

use super::engine::{Durability, Losses, SignOut};
use super::event::Event;
use super::options::ClientStore;
use super::outbox::QueuedMutation;
use super::outcomes::Outcome;
use super::receipt::{Receipt, ReceiptState};
use super::runtime::dispatch::lock;
use super::runtime::{Shared, SharedEntropy};
use crate::error::{Error, ErrorKind, Result};
use crate::future::{BoxFuture, MaybeSend, MaybeSync};
use crate::inputs::Entropy;
use crate::live::{Explanation, LivePause, LiveQuery, LiveRow, Output, Subscription, explain};
use crate::mutate::{ErasedCtx, IntoMutation, Mutation as _, MutatorArgs as _, NoKeys};
use crate::query::typed::ReadsIn;
use crate::schema::{Id, InSchema, Schema};

/// A client of schema `S`: a local store that the application reads and mutates at once, and that a sync loop joins with
/// the server.
///
/// Cheap to clone; all clones are the same client. When the last one is dropped the loop ends and the store is closed.
/// Whatever was issued is in the store and goes on when it is opened again.
///
/// Functions of the application that the client calls (live queries, outcomes, errors) run one at a time, after the
/// commit, outside of every lock: on the thread that caused them or on that of the loop. They may use the client.
pub struct Client<S: Schema> {
    inner: Arc<Inner>,
    schema: PhantomData<fn() -> S>,
}

struct Inner {
    shared: Arc<Shared>,
    ctx: Mutex<Arc<dyn CtxSource>>,
    durability: Durability,
    entropy: Mutex<SharedEntropy>,
    #[cfg(feature = "encryption")]
    keyring: Option<Arc<dyn crate::crypto::Keyring>>,
    /// A task of [`Client::start`] drives the loop.
    #[cfg(all(feature = "http-client", not(target_family = "wasm")))]
    driven: Arc<AtomicBool>,
}

/// Where the context comes from.
trait CtxSource: MaybeSend + MaybeSync {
    /// The context for the runs from now on.
    fn get(&self) -> BoxFuture<'_, Result<Arc<ErasedCtx>>>;
    /// Whether it is always the same.
    fn is_fixed(&self) -> bool;
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.shut();
    }
}

impl<S: Schema> Clone for Client<S> {
    fn clone(&self) -> Self {
        Client { inner: self.inner.clone(), schema: PhantomData }
    }
}

impl<S: Schema> fmt::Debug for Client<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("schema", &S::DEF.name)
            .field("status", &*self.inner.shared.status().borrow())
            .finish_non_exhaustive()
    }
}

impl<S: Schema> Client<S> {
    /// Opens a client on a store:
    ///
    /// ```no_run
    /// # use plasma_runtime::{Error, client::{Client, Headers, SqliteStore}, schema::Schema};
    /// # async fn open<App: Schema<Ctx = ()>>() -> Result<(), Error> {
    /// let client = Client::<App>::builder(SqliteStore::open("app.db"))
    ///     .server("https://example.com/sync")
    ///     .group("alice")
    ///     .auth(|| async { Ok(Headers::bearer("token")) })
    ///     .open()
    ///     .await?;
    /// client.start()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(store: impl ClientStore + 'static) -> ClientBuilder<S> {
        ClientBuilder::new(Box::new(store))
    }

    fn new(
        shared: Arc<Shared>,
        ctx: Arc<dyn CtxSource>,
        durability: Durability,
        entropy: SharedEntropy,
        #[cfg(feature = "encryption")] keyring: Option<Arc<dyn crate::crypto::Keyring>>,
    ) -> Self {
        let inner = Inner {
            shared,
            ctx: Mutex::new(ctx),
            durability,
            entropy: Mutex::new(entropy),
            #[cfg(feature = "encryption")]
            keyring,
            #[cfg(all(feature = "http-client", not(target_family = "wasm")))]
            driven: Arc::default(),
        };
        Client { inner: Arc::new(inner), schema: PhantomData }
    }

    // ---- mutations ----

    /// Runs a mutation: seals what is to be sealed (`PlainEditNote` for `EditNote`), applies it to the local rows and queues it for the server, in one transaction. Returns once that
    /// is as durable as the client was opened for; live queries have heard of it then, unless another thread is just
    /// telling them.
    ///
    /// # Errors
    /// Then nothing was queued: the mutator's own refusal (validation, conflict, a code of the application);
    /// [`InvalidArgs`](ErrorKind::InvalidArgs); [`TooLarge`](ErrorKind::TooLarge) when no push could carry it;
    /// [`Storage`](ErrorKind::Storage); [`Closed`](ErrorKind::Closed). Of plain arguments also
    /// [`Config`](ErrorKind::Config) without a keyring, and [`Encryption`](ErrorKind::Encryption) when there is no key to seal
    /// with.
    // What is no mutation is one error, at the argument: of an `async fn` a bound that does not hold is reported three
    // times, and a result that names `A::Mutation` moves the error to the word `mutate`.
    pub fn mutate<M, A>(&self, mutation: A) -> BoxFuture<'_, Result<Receipt<M>>>
    where
        A: IntoMutation<S, Mutation = M>,
    {
        self.seal_and_issue(mutation)
    }

    fn seal_and_issue<A: IntoMutation<S>>(&self, mutation: A) -> BoxFuture<'_, Result<Receipt<A::Mutation>>> {
        let name = <A::Mutation>::NAME;
        let json = move |sealed: A::Mutation| sealed.to_json().map_err(|error| not_json(name, error));
        if A::SEALS {
            let args = move |seal: &mut dyn crate::mutate::Seal| mutation.into_mutation(seal).and_then(json);
            return Box::pin(async move { self.issue(name, &self.sealing(args).await?).await });
        }
        let args = mutation.into_mutation(&mut NoKeys).and_then(json);
        Box::pin(async move { self.issue(name, &args?).await })
    }

    /// Without the feature `encryption` nothing can be sealed.
    #[cfg(not(feature = "encryption"))]
    async fn sealing<R>(&self, work: impl FnOnce(&mut dyn crate::mutate::Seal) -> Result<R>) -> Result<R> {
        work(&mut NoKeys)
    }

    /// Runs a mutation by its wire name, with arguments as JSON: for tools, scripts and retries.
    ///
    /// # Errors
    /// As [`mutate`](Self::mutate), and [`UnknownMutator`](ErrorKind::UnknownMutator).
    pub async fn mutate_named(&self, name: &str, args: &serde_json::Value) -> Result<Receipt> {
        let args = serde_json::to_string(args).map_err(|error| not_json(name, error))?;
        self.issue(name, &args).await
    }

    async fn issue<M>(&self, name: &str, args: &str) -> Result<Receipt<M>> {
        let shared = &self.inner.shared;
        let durable = self.inner.durability != Durability::WriteBehind;
        let work = |core: &mut crate::client::runtime::Core| {
            shared.step(core, |engine, store, ctx, inputs| {
                let (mutated, actions) = engine.mutate(store, ctx, name, args, inputs)?;
                // Before the actions are performed: progress that is told early finds the receipt.
                let state = match (mutated.id, durable) {
                    (None, _) => ReceiptState::Observed,
                    (Some(_), true) => ReceiptState::Durable,
                    (Some(_), false) => ReceiptState::Applied,
                };
                Ok(((mutated, shared.issue(mutated.key, state)), actions))
            })
        };
        let (mutated, state) = shared
            .turn(|core| {
                let issued = work(core)?;
                if !durable && !shared.is_driven() {
                    // Nobody would come back in 20 ms to commit: any event does it now.
                    shared.event(core, Event::Tick)?;
                }
                Ok(issued)
            })
            .await?;
        Ok(Receipt::new(mutated.key, mutated.id, state))
    }

    /// The receipt of any mutation of this store, by its key: after a restart too. None when the key is not known, or
    /// its outcome was dismissed.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage), [`Closed`](ErrorKind::Closed).
    pub async fn receipt(&self, key: Uuid) -> Result<Option<Receipt>> {
        let shared = &self.inner.shared;
        let found = shared.turn(|core| shared.receipt(core, key)).await?;
        Ok(found.map(|(id, state)| Receipt::new(key, id, state)))
    }

    /// Takes a mutation back that was never sent: its effect is undone, what was issued after it is run again.
    ///
    /// # Errors
    /// [`AlreadySent`](ErrorKind::AlreadySent); [`NotFound`](ErrorKind::NotFound) when it is not queued (any more).
    pub async fn discard(&self, key: Uuid) -> Result<()> {
        let shared = &self.inner.shared;
        let work = |core: &mut crate::client::runtime::Core| {
            shared.step(core, |engine, store, ctx, inputs| Ok(((), engine.discard(store, ctx, key, inputs)?)))
        };
        shared.turn(work).await
    }

    /// A fresh row id, for a row whose id the application must know before it is written.
    pub fn new_id<T: InSchema<S>>(&self) -> Id<T> {
        let mut random = [0u8; 10];
        lock(&self.inner.entropy).fill(&mut random);
        let now = u64::try_from(self.inner.shared.clock.now_ms()).unwrap_or(0);
        // Version 7 (RFC 9562, section 5.7): rows made one after the other lie side by side in the table.
        Id::from_uuid(uuid::Builder::from_unix_timestamp_millis(now, &random).into_uuid())
    }

    // ---- outcomes ----

    /// How mutations ended, oldest first, kept in the store: rejections until they are dismissed, applied ones as long
    /// as there is room.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage), [`Closed`](ErrorKind::Closed).
    pub async fn outcomes(&self) -> Result<Vec<Outcome>> {
        self.inner.shared.turn(|core| core.engine.outcomes(&mut *core.store)).await
    }

    /// Calls `f` with the outcomes: those there are first, then whenever they change.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage), [`Closed`](ErrorKind::Closed).
    pub async fn subscribe_outcomes(&self, f: impl FnMut(&[Outcome]) + MaybeSend + 'static) -> Result<Subscription> {
        let shared = &self.inner.shared;
        let held = shared.turn(|core| shared.follow_outcomes(core, f)).await?;
        Ok(Subscription::holding(held))
    }

    /// Forgets an outcome; false when there is none of this key.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage), [`Closed`](ErrorKind::Closed).
    pub async fn dismiss(&self, key: Uuid) -> Result<bool> {
        let shared = &self.inner.shared;
        let work = |core: &mut crate::client::runtime::Core| {
            let dismissed = core.engine.dismiss(&mut *core.store, key)?;
            if dismissed {
                shared.outcomes_changed(core);
            }
            Ok(dismissed)
        };
        shared.turn(work).await
    }

    /// Issues a mutation that had no effect (rejected, discarded, too large, lost) once more, as a new mutation with the
    /// same arguments, and dismisses the old outcome.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when there is no outcome of this key, [`Conflict`](ErrorKind::Conflict) when
    /// the mutation was applied; those of [`mutate`](Self::mutate), and then the outcome stays.
    pub async fn retry(&self, key: Uuid) -> Result<Receipt> {
        let outcome = self.inner.shared.turn(|core| core.engine.outcome(&mut *core.store, key)).await?;
        let Some(outcome) = outcome else {
            return Err(Error::not_found(format!("there is no outcome of the mutation {key}")));
        };
        let Some(args) = outcome.args else {
            return Err(Error::conflict(format!("the mutation {key} was applied")));
        };
        let receipt = self.issue(&outcome.name, &args).await?;
        self.dismiss(key).await?;
        Ok(receipt)
    }

    /// The mutations in the outbox, in order.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage), [`Closed`](ErrorKind::Closed).
    pub async fn outbox(&self) -> Result<Vec<QueuedMutation>> {
        self.inner.shared.turn(|core| core.engine.outbox(&mut *core.store)).await
    }

    // ---- live queries ----

    /// Keeps the result of a query up to date.
    pub fn live<Q: ReadsIn<S>>(&self, query: Q) -> LiveQuery<Q::Row>
    where
        Q::Row: Output,
    {
        let shared = &self.inner.shared;
        LiveQuery::open(shared.host(), shared.dispatcher.clone(), S::DEF, query)
    }

    /// Holds the live queries back until the pause is dropped: then they hear of everything since at once, in one step, and
    /// of nothing that ended as it began. For many mutations in a row that are to appear together.
    ///
    /// Reads see every change as always. A query that is opened during the pause, and those that are open then, catch up
    /// at that moment. Pauses may overlap; the last one to be dropped counts.
    ///
    /// ```no_run
    /// # async fn f<S: plasma_runtime::schema::Schema>(client: plasma_runtime::client::Client<S>) {
    /// let pause = client.pause_live();
    /// // mutate, mutate, mutate
    /// drop(pause); // one callback
    /// # }
    /// ```
    pub fn pause_live(&self) -> LivePause {
        LivePause::new(self.inner.shared.host())
    }

    /// Says how a live query would be kept up to date and what that costs on the rows there are: incrementally or run
    /// again and why, which changes it is told of, how many rows it holds and looks at, and how SQLite runs it. It runs the
    /// query.
    ///
    /// ```no_run
    /// # use plasma_runtime::query::typed::ReadsIn;
    /// # async fn f<S: plasma_runtime::schema::Schema, Q: ReadsIn<S>>(client: plasma_runtime::client::Client<S>, late: Q)
    /// # -> plasma_runtime::Result<()> {
    /// let explanation = client.explain(late).await?;
    /// println!("{explanation}");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`all`](Self::all).
    pub async fn explain<Q: ReadsIn<S>>(&self, query: Q) -> Result<Explanation> {
        let ir = query.ir()?.clone();
        crate::query::typed::read::check_tables(&S::DEF, &ir)?;
        self.inner.shared.turn(|core| explain(&mut *core.store, &ir)).await
    }

    /// Keeps one row up to date.
    pub fn live_row<T: InSchema<S> + Output>(&self, id: Id<T>) -> LiveRow<T> {
        let shared = &self.inner.shared;
        LiveQuery::open_row(shared.host(), shared.dispatcher.clone(), S::DEF, id)
    }

    // ---- the store ----

    /// The store's client id, as the server knows it.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage), [`Closed`](ErrorKind::Closed).
    pub async fn client_id(&self) -> Result<String> {
        self.inner.shared.turn(|core| core.engine.client_id(&mut *core.store)).await
    }

    /// Changes what the mutators learn about the caller: pending mutations are run again with it.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage), [`Closed`](ErrorKind::Closed).
    pub async fn set_ctx(&self, ctx: S::Ctx) -> Result<()> {
        let ctx: Arc<ErasedCtx> = Arc::new(ctx);
        *lock(&self.inner.ctx) = Arc::new(builder::Fixed(ctx.clone()));
        self.inner.shared.change_ctx(ctx).await
    }

    /// What [`reset_local_state`](Self::reset_local_state) would lose: show it before.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage), [`Closed`](ErrorKind::Closed).
    pub async fn losses(&self) -> Result<Losses> {
        self.inner.shared.turn(|core| core.engine.losses(&mut *core.store)).await
    }

    /// Drops the synced rows, the outbox and the outcomes, and begins anew under another client id. Returns what was
    /// lost. The only call that loses mutations, besides `sign_out(SignOut::Wipe)`.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage), [`Closed`](ErrorKind::Closed).
    pub async fn reset_local_state(&self) -> Result<Losses> {
        let shared = &self.inner.shared;
        let work = |core: &mut crate::client::runtime::Core| {
            let losses =
                shared.step(core, |engine, store, ctx, inputs| engine.reset_local_state(store, ctx, inputs))?;
            shared.lost(losses.mutations.iter().map(|lost| lost.key));
            Ok(losses)
        };
        shared.turn(work).await
    }

    /// Leaves the store: with its outbox, for the same group to go on later, or with nothing. The client is closed.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage), [`Closed`](ErrorKind::Closed).
    pub async fn sign_out(&self, how: SignOut) -> Result<()> {
        let shared = &self.inner.shared;
        let work = |core: &mut crate::client::runtime::Core| {
            shared.step(core, |engine, store, _, inputs| Ok(((), engine.sign_out(store, how, inputs)?)))
        };
        shared.turn(work).await?;
        self.close().await;
        Ok(())
    }

    /// Closes the client: all clones are closed with it, the loop ends, the file is released. Nothing is lost.
    pub async fn close(&self) {
        self.inner.shared.close().await;
    }
}

fn not_json(name: &str, error: serde_json::Error) -> Error {
    Error::new(ErrorKind::InvalidArgs, format!("the arguments of `{name}` cannot be written as JSON: {error}"))
        .with_source(error)
}
