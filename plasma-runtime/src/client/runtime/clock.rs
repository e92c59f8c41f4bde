//! Where the client's time and randomness come from.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::dispatch::lock;
use crate::future::{BoxFuture, MaybeSend, MaybeSync};
use crate::inputs::Entropy;
pub use crate::inputs::OsEntropy;

/// Time, for the run loop and for the envelopes of mutations.
pub trait Clock: MaybeSend + MaybeSync + fmt::Debug + 'static {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;

    /// Waits so many milliseconds.
    fn sleep(&self, ms: u64) -> BoxFuture<'static, ()>;

    /// Whether [`sleep`](Self::sleep) works here. The loop does not start where it does not.
    fn can_sleep(&self) -> bool {
        true
    }
}

/// The system's clock, and tokio's timer (with the feature `http-client`). Without that feature it tells the time but
/// cannot wait: a client with a server then needs a clock of the application's.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[cfg(not(target_family = "wasm"))]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that reads the clock")]
    fn now_ms(&self) -> i64 {
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        }
    }

    #[cfg(feature = "http-client")]
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that waits")]
    fn sleep(&self, ms: u64) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(std::time::Duration::from_millis(ms)))
    }

    #[cfg(not(feature = "http-client"))]
    fn sleep(&self, _ms: u64) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn can_sleep(&self) -> bool {
        #[cfg(feature = "http-client")]
        return tokio::runtime::Handle::try_current().is_ok();
        #[cfg(not(feature = "http-client"))]
        false
    }
}

/// A source of randomness that several use.
#[derive(Debug, Clone)]
pub(crate) struct SharedEntropy(Arc<Mutex<Box<dyn Entropy>>>);

impl SharedEntropy {
    pub(crate) fn new(source: Box<dyn Entropy>) -> Self {
        SharedEntropy(Arc::new(Mutex::new(source)))
    }
}

impl Entropy for SharedEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        lock(&self.0).fill(bytes);
    }
}
