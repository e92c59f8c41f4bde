//! Pulls, and holding those that have nothing to send yet.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Inner;
use super::looks::{Key, Look};
use crate::error::{Error, ErrorKind};
use crate::protocol::PullRequest;
use crate::server::{Caller, Refusal};

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
        // A caller whose rules cannot be told looks alone.
        let rules = self.engine.digests(&caller, &request).ok();
        let key = rules.and_then(|rules| Key::new(&caller, &request, Arc::new(rules)));
        let (mut place, mut woken) = (None, false);
        loop {
            let sequence = pokes.borrow_and_update().sequence;
            let look = match &key {
                Some(key) if self.looks.is_current(sequence, key) => None,
                // Only who was woken shares a look: what other programs commit has no poke at once.
                Some(key) if woken => Some(self.look_together(&caller, &request, sequence, key).await?),
                _ => Some(self.look(&caller, &request).await?),
            };
            if let (Some(key), Some(look)) = (&key, &look) {
                self.looks.note(sequence, key, look);
            }
            let closes = *closing.borrow_and_update();
            let waits = !closes && look.as_ref().is_none_or(|look| look.empty);
            if waits && place.is_none() {
                place = Arc::clone(&self.held).try_acquire_owned().ok();
            }
            let held = waits && place.is_some();
            let wakes = async {
                tokio::select! {
                    // A poke that shows this caller nothing sends it back here: it is released by what it can see.
                    _ = pokes.changed() => false,
                    _ = closing.wait_for(|closing| *closing) => true,
                }
            };
            if held && matches!(timeout_at(until, wakes).await, Ok(false)) {
                woken = true;
                continue;
            }
            return match look {
                Some(look) => Ok(look.body),
                None => Ok(self.look(&caller, &request).await?.body),
            };
        }
    }

    /// Pulls once, with all others that were woken by this poke and would see the same.
    async fn look_together(
        self: &Arc<Self>,
        caller: &Caller,
        request: &PullRequest,
        sequence: u64,
        key: &Key,
    ) -> Result<Look, Refusal> {
        let look = self.look(caller, request);
        match self.looks.together(sequence, key, &request.client_id, look).await {
            Some(look) => look,
            None => self.look(caller, request).await,
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
                let told = pulled.response.last_mutation_ids.keys().cloned().collect();
                let body = inner.engine.json(&pulled.response)?;
                let newest = (!pulled.response.has_more).then_some(pulled.response.cookie);
                Ok(Look { empty: pulled.empty, body, told, newest })
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
