//! When to send: one channel for pushes and one for pulls, each with at most one request under way.

use super::engine::EngineOptions;
use super::event::Entropy;
use super::status::Stuck;
use crate::mutate::Effects;

/// How long a request may stay unanswered beyond what it asked the server to wait, ms. A transport has timeouts of its
/// own; this is the watchdog that keeps a lost request from stopping the loop for ever.
pub(crate) const WATCHDOG_MS: i64 = 120_000;

/// A request under way.
#[derive(Debug)]
pub(crate) struct InFlight<T> {
    pub(crate) request: u64,
    /// The client id it was sent under: an answer to another one is not ours any more.
    pub(crate) client_id: String,
    pub(crate) sent_at: i64,
    pub(crate) deadline: i64,
    pub(crate) what: T,
}

/// The mutations of a push.
#[derive(Debug)]
pub(crate) struct SentPush {
    pub(crate) entries: Vec<SentMutation>,
}

/// One mutation of a push.
#[derive(Debug)]
pub(crate) struct SentMutation {
    pub(crate) id: u64,
    pub(crate) key: uuid::Uuid,
    /// What the run before the push was told and wrote. The mutation may be run again before the answer comes.
    pub(crate) effects: Option<Effects>,
}

/// Where a pull started.
#[derive(Debug)]
pub(crate) struct SentPull {
    /// The cookie it was asked with: the answer is applied only if the store still stands there.
    pub(crate) cookie: Option<String>,
    /// The last id acknowledged when it was asked.
    pub(crate) acknowledged: u64,
    /// How long the server may hold it, ms.
    pub(crate) wait: u64,
    /// It asks for an image.
    pub(crate) image: bool,
}

/// One direction of the loop.
#[derive(Debug)]
pub(crate) struct Channel<T> {
    pub(crate) in_flight: Option<InFlight<T>>,
    /// Failures since the last success.
    pub(crate) failures: u32,
    /// Nothing is sent before this time (unix ms), unless forced.
    pub(crate) not_before: i64,
    /// There was a reason for another request after the one under way went out.
    pub(crate) again: bool,
    /// Asked for by hand: goes out whatever the schedule says.
    pub(crate) forced: bool,
    /// The last credentials were refused.
    pub(crate) refresh_auth: bool,
    /// What stops it.
    pub(crate) trouble: Option<Stuck>,
}

impl<T> Default for Channel<T> {
    fn default() -> Self {
        Channel {
            in_flight: None,
            failures: 0,
            not_before: 0,
            again: false,
            forced: false,
            refresh_auth: false,
            trouble: None,
        }
    }
}

impl<T> Channel<T> {
    /// Whether a request may go out now.
    pub(crate) fn due(&self, now: i64, started: bool) -> bool {
        self.in_flight.is_none() && (self.forced || (started && now >= self.not_before))
    }

    /// Takes the request with this number, if it is under way.
    pub(crate) fn take(&mut self, request: u64) -> Option<InFlight<T>> {
        self.in_flight.take_if(|sent| sent.request == request)
    }

    /// Forgets past failures: the next request goes out at once.
    pub(crate) fn restart(&mut self, now: i64) {
        self.failures = 0;
        self.not_before = now;
        self.trouble = None;
    }

    /// Notes an answer that was a success.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.refresh_auth = false;
        self.trouble = None;
    }

    /// Notes a failure; returns when the next attempt is (unix ms).
    pub(crate) fn failed(
        &mut self,
        now: i64,
        retry_after_ms: Option<i64>,
        options: &EngineOptions,
        entropy: &mut dyn Entropy,
    ) -> i64 {
        self.failures = self.failures.saturating_add(1);
        let delay = delay_ms(self.failures, options, entropy).max(retry_after_ms.unwrap_or(0));
        self.not_before = now.saturating_add(delay);
        self.not_before
    }
}

/// The delay after the n-th failure in a row, ms: full jitter while attempts last, then the poll interval, doubling to
/// its maximum, +-50 %.
pub(crate) fn delay_ms(failures: u32, options: &EngineOptions, entropy: &mut dyn Entropy) -> i64 {
    let retry = &options.retry;
    if failures < retry.attempts {
        let doubled = retry.first_ms.saturating_mul(1 << failures.saturating_sub(1).min(32));
        return i64::try_from(random_up_to(doubled.min(retry.max_ms), entropy)).unwrap_or(i64::MAX);
    }
    let rise = failures.saturating_sub(retry.attempts).min(32);
    let interval = options.poll_interval_ms.saturating_mul(1 << rise).min(options.max_poll_interval_ms);
    jittered(interval, entropy)
}

/// An interval +-50 %, ms.
pub(crate) fn jittered(interval_ms: u64, entropy: &mut dyn Entropy) -> i64 {
    i64::try_from(interval_ms / 2 + random_up_to(interval_ms, entropy)).unwrap_or(i64::MAX)
}

fn random_up_to(most: u64, entropy: &mut dyn Entropy) -> u64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    // The bias of the remainder is below 2^-40 for any delay here.
    u64::from_le_bytes(bytes) % most.saturating_add(1).max(1)
}
