//! Starting, stopping and steering the sync loop.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::{Client, CtxSource, Inner};
use crate::client::event::{ClientError, ClientErrorKind, Event};
use crate::client::runtime::dispatch::lock;
use crate::client::runtime::watch::Watch;
use crate::client::runtime::{Core, Shared, drive};
use crate::client::status::{Status, Stuck};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::Schema;

impl<S: Schema> Client<S> {
    /// Starts the sync loop as a task of the current tokio runtime, until [`stop`](Self::stop) or the client is closed.
    /// Started again, it takes back a stop, and a refusal of the server (`Stuck::Refused`) is tried again.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) outside of a tokio runtime (use [`run`](Self::run) there);
    /// [`Closed`](ErrorKind::Closed).
    pub fn start(&self) -> Result<()> {
        if self.inner.shared.is_closed() {
            return Err(closed());
        }
        spawn_loop(&self.inner)?;
        Ok(())
    }

    /// Runs the sync loop in the caller's task: for programs without tokio, with a clock of their own. Ends when the
    /// client is closed. May be dropped at any time; the loop stands still then.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when the client's clock cannot wait here.
    pub fn run(&self) -> impl Future<Output = Result<()>> + use<S> {
        // Holds no client: dropping the last handle ends it.
        let shared = self.inner.shared.clone();
        let ctx = lock(&self.inner.ctx).clone();
        async move {
            begin(&shared, &*ctx).await;
            drive(shared).await
        }
    }

    /// Stops the sync loop: nothing new is sent until the next start; the answer of what is under way is still taken.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed).
    pub async fn stop(&self) -> Result<()> {
        self.tell(Event::Stop).await
    }

    /// Switches offline mode: nothing is sent while it is on, whatever is asked for.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed).
    pub async fn set_offline(&self, offline: bool) -> Result<()> {
        self.tell(Event::SetOffline(offline)).await
    }

    /// Says that the server has something to pull: for applications with a push channel of their own.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed).
    pub async fn poke(&self) -> Result<()> {
        self.tell(Event::Poke).await
    }

    async fn tell(&self, event: Event) -> Result<()> {
        let shared = &self.inner.shared;
        shared.turn(|core| shared.event(core, event).map(drop)).await
    }

    /// The state of the loop, to look at and to wait for: how much is queued, and why the head of the queue is not up
    /// yet.
    pub fn status(&self) -> Watch<Status> {
        Watch::new(self.inner.shared.status())
    }

    /// Pushes once: what is queued, up to the limit of one push. Works while the loop is stopped, not while offline.
    /// Returns whether anything was sent.
    ///
    /// # Errors
    /// Why the push failed; [`Network`](ErrorKind::Network) when offline.
    pub async fn push_once(&self) -> Result<bool> {
        self.once(true).await
    }

    /// Pulls until the server's head is reached. Works while the loop is stopped, not while offline.
    ///
    /// # Errors
    /// Why a pull failed; [`Network`](ErrorKind::Network) when offline.
    pub async fn pull_once(&self) -> Result<()> {
        let shared = &self.inner.shared;
        let begun = shared.clock.now_ms();
        // One loop for all pages: the engine asks for the next page as soon as one is answered, and a loop that ended
        // in between would take that request with it.
        let pages = async {
            loop {
                let sent = self.asked(false).await?;
                let reached = shared.status().borrow().last_pull_ms.is_some_and(|at| at >= begun);
                if reached || !sent {
                    return Ok(());
                }
            }
        };
        driving(shared, pages).await
    }

    /// Pushes until the server has decided everything that is queued now.
    ///
    /// # Errors
    /// Why a push failed, or why nothing is sent; what is left stays queued.
    pub async fn flush(&self) -> Result<()> {
        let shared = &self.inner.shared;
        let waiting = |core: &mut Core| {
            // What another process has sent meanwhile is decided for our receipts too; no loop may look at the file.
            shared.look_at_file(core)?;
            let outbox = core.engine.outbox(&mut *core.store)?;
            Ok(outbox.iter().filter(|queued| !queued.acknowledged).map(|queued| queued.key).collect::<Vec<_>>())
        };
        let all = shared.turn(waiting).await?;
        // One loop for all pushes: one that ended in between would take the next request with it.
        let pushes = async {
            let mut left = all.len();
            while left > 0 {
                let sent = self.asked(true).await?;
                let now = shared.turn(waiting).await?;
                let still = all.iter().filter(|key| now.contains(key)).count();
                if !sent && still == left {
                    return Err(self.why_stuck());
                }
                left = still;
            }
            Ok(())
        };
        driving(shared, pushes).await
    }

    /// One push or pull, with the loop driven until it is answered.
    async fn once(&self, push: bool) -> Result<bool> {
        driving(&self.inner.shared, self.asked(push)).await
    }

    /// One push or pull: asks the engine for it, or waits for the one that is under way. Somebody drives the loop.
    async fn asked(&self, push: bool) -> Result<bool> {
        let shared = &self.inner.shared;
        let ask = |core: &mut Core| {
            shared.look_at_file(core)?;
            let sent = shared.event(core, if push { Event::PushNow } else { Event::PullNow })?;
            let request = sent.into_iter().find(|request| shared.is_push(*request) == Some(push));
            Ok(request.or_else(|| shared.under_way(push)).and_then(|request| shared.wait_for(request)))
        };
        let Some(answered) = shared.turn(ask).await? else {
            let status = shared.status().borrow().clone();
            let idle = push && status.pending == 0;
            return if idle { Ok(false) } else { Err(self.why_stuck()) };
        };
        answered.await.unwrap_or_else(|_| Err(closed())).map(|()| true)
    }

    fn why_stuck(&self) -> Error {
        let status = self.inner.shared.status().borrow().clone();
        let last = status.last_error.as_ref().map_or(String::new(), |last| format!(" ({})", last.message));
        let (kind, why) = match &status.stuck {
            Some(Stuck::NoServer) => (ErrorKind::Config, "the client was opened without a server"),
            Some(Stuck::NoGroup) => (ErrorKind::Config, "the store has no group: open it with `.group(..)`"),
            Some(Stuck::Offline) => (ErrorKind::Network, "offline mode is on"),
            Some(Stuck::Unauthorized { .. }) => (ErrorKind::Unauthorized, "the server does not know the caller"),
            Some(Stuck::SchemaMismatch { .. }) => (ErrorKind::SchemaMismatch, "the server has another schema"),
            Some(Stuck::NotLeader { .. }) => (ErrorKind::Fault, "another process syncs this store"),
            Some(Stuck::TooLarge) => (ErrorKind::TooLarge, "the head of the queue is larger than the server takes"),
            Some(Stuck::Refused { .. }) => (ErrorKind::Protocol, "the server refuses this client"),
            Some(Stuck::Gap { .. }) => {
                (ErrorKind::Protocol, "the server misses a mutation that this store does not have")
            }
            Some(Stuck::Storage { .. }) => (ErrorKind::Storage, "the local store failed"),
            Some(Stuck::Backoff { .. } | Stuck::Overloaded { .. }) => {
                (ErrorKind::Network, "the server cannot be reached")
            }
            _ => (ErrorKind::Fault, "nothing could be sent"),
        };
        Error::new(kind, format!("{why}{last}"))
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the client is closed")
}

/// What the loop begins with: a fresh context where it is made anew each time, and the engine's start.
async fn begin(shared: &Shared, ctx: &dyn CtxSource) {
    if !ctx.is_fixed() {
        let changed = match ctx.get().await {
            Ok(ctx) => shared.change_ctx(ctx).await,
            Err(error) => Err(error),
        };
        if let Err(error) = changed {
            // The loop goes on with the context it has.
            shared.report(ClientError { kind: ClientErrorKind::Storage, error, key: None });
        }
    }
    shared.post(Event::Start);
}

/// Waits for `work` while the loop is driven: here, unless somebody does it already.
async fn driving<R>(shared: &Arc<Shared>, work: impl Future<Output = Result<R>>) -> Result<R> {
    let mut work = pin!(work);
    let mut driver = pin!(drive(shared.clone()));
    let mut driving = true;
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = work.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            if !driving {
                return Poll::Pending;
            }
            match driver.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => driving = false,
                // Without a timer here, somebody else's loop will do; without one nobody answers.
                Poll::Ready(Err(_)) if shared.is_driven() => driving = false,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
    })
    .await
}

#[cfg(all(feature = "http-client", not(target_family = "wasm")))]
fn spawn_loop(inner: &Inner) -> Result<()> {
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Taken off when the task ends, however it ends.
    struct Driven(Arc<AtomicBool>);
    impl Drop for Driven {
        fn drop(&mut self) {
            self.0.store(false, Ordering::SeqCst);
        }
    }

    let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
        Error::new(
            ErrorKind::Config,
            format!("the sync loop needs a tokio runtime to start on (or use `client.run()`): {error}"),
        )
    })?;
    let first = !inner.driven.swap(true, Ordering::SeqCst);
    let driven = first.then(|| Driven(inner.driven.clone()));
    let shared = inner.shared.clone();
    let ctx = lock(&inner.ctx).clone();
    runtime.spawn(async move {
        let driven = driven;
        begin(&shared, &*ctx).await;
        if driven.is_some()
            && let Err(error) = drive(shared.clone()).await
        {
            shared.report(ClientError { kind: ClientErrorKind::Storage, error, key: None });
        }
    });
    Ok(())
}

#[cfg(not(all(feature = "http-client", not(target_family = "wasm"))))]
fn spawn_loop(_inner: &Inner) -> Result<()> {
    Err(Error::new(ErrorKind::Config, "this build has no runtime to start the sync loop on: await `client.run()`"))
}
