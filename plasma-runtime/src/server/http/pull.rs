//! Pulls, and holding those that have nothing to send yet.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Inner;
use crate::error::{Error, ErrorKind};
use crate::protocol::PullRequest;
use crate::server::{Caller, Refusal};

/// One look at the database.
struct Look {
    /// There is nothing to send.
    empty: bool,
    body: String,
}

impl Inner {
    /// Answers a pull. With a `wait` and nothing to send it is held until there is something, the time is over, or the
    /// server shuts down; beyond the cap of held pulls it is answered at once.
    pub(super) async fn pull(self: &Arc<Self>, caller: Caller, request: PullRequest) -> Result<String, Refusal> {
        let wait = request.wait.unwrap_or_default();
        if wait == 0 {
            return Ok(self.look(&caller, &request).await?.body);
        }
        let until = Instant::now() + Duration::from_millis(wait);
        let mut closing = self.closing.subscribe();
        // Before the first look: a commit between the look and the wait must not be missed.
        let mut pokes = self.backend.pokes();
        let mut place = None;
        loop {
            pokes.borrow_and_update();
            let look = self.look(&caller, &request).await?;
            if !look.empty || *closing.borrow_and_update() {
                return Ok(look.body);
            }
            if place.is_none() {
                match Arc::clone(&self.held).try_acquire_owned() {
                    Ok(permit) => place = Some(permit),
                    Err(_) => return Ok(look.body),
                }
            }
            let wakes = async {
                tokio::select! {
                    // A poke that shows this caller nothing sends it back here: it is released by what it can see.
                    _ = pokes.changed() => false,
                    _ = closing.wait_for(|closing| *closing) => true,
                }
            };
            match timeout_at(until, wakes).await {
                Ok(false) => {}
                Ok(true) | Err(_) => return Ok(look.body),
            }
        }
    }

    /// Pulls once, on a connection for reads.
    async fn look(self: &Arc<Self>, caller: &Caller, request: &PullRequest) -> Result<Look, Refusal> {
        let (inner, caller, request) = (Arc::clone(self), caller.clone(), request.clone());
        let now = (self.clock)();
        let about = caller.clone();
        let looked = self.backend.read(move |db| {
            Box::pin(async move {
                #[cfg_attr(not(feature = "sqlite"), expect(unused_mut, reason = "only images are offered in it"))]
                let mut pulled = inner.engine.pull_for(db, now, &caller, &request).await?;
                #[cfg(feature = "sqlite")]
                inner.offer_image(&request, &mut pulled.response);
                Ok(Look { empty: pulled.empty, body: inner.engine.json(&pulled.response)? })
            })
        });
        match looked.await {
            Ok(answer) => answer,
            // All connections are taken: that is no defect to be told of.
            Err(error) if error.kind() == ErrorKind::Fault => Err(Refusal::overloaded()),
            Err(error) => {
                let refusal = match error.kind() {
                    ErrorKind::Internal => Refusal::internal(),
                    _ => Refusal::unavailable(),
                };
                Err(self.fail(Some(&about), refusal, error))
            }
        }
    }
}

/// The error of a request that took too long.
pub(super) fn too_long(what: &'static str) -> Error {
    Error::new(ErrorKind::Fault, what)
}
