//! How a transaction that lost against another is tried again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{sleep, timeout};

use crate::future::BoxFuture;
use crate::inputs::Entropy;
use crate::server::Retry;

/// The longest wait for the turn to try again.
const TURN: Duration = Duration::from_secs(1);
/// The wait before the second try, and the longest.
const WAIT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// Tries again after a wait that grows and is never the same twice; and those that lost try one after the other, so
/// that however many want the same row, one of them comes through each time.
pub(super) struct Patience<E> {
    pub(super) turns: Arc<Mutex<()>>,
    pub(super) turn: Option<OwnedMutexGuard<()>>,
    pub(super) entropy: E,
    pub(super) tries: u32,
}

impl<E: Entropy> Retry for Patience<E> {
    #[expect(clippy::disallowed_methods, reason = "between two tries it waits")]
    fn again(&mut self, tries: u32) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            if tries >= self.tries {
                return false;
            }
            if self.turn.is_none() {
                // One that waits for a row of some other program has the turn too long: then without it.
                self.turn = timeout(TURN, Arc::clone(&self.turns).lock_owned()).await.ok();
            }
            let most = WAIT.0.saturating_mul(1 << (tries - 1).min(16)).min(WAIT.1);
            let mut random = [0u8; 2];
            self.entropy.fill(&mut random);
            sleep(most.mul_f64(f64::from(u16::from_le_bytes(random)) / 65_536.0)).await;
            true
        })
    }
}
