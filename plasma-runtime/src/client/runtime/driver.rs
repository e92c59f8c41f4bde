//! The loop that joins the engine with the clock and the transport.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use super::dispatch::lock;
use super::parts::Core;
use super::perform::Outgoing;
use super::shared::Shared;
use crate::client::event::{Event, SendFailure};
use crate::client::transport::Headers;
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::protocol::{IMAGE_HASH_HEADER, WireResponse};

/// The longest the loop sleeps at once, ms. A timer may stand still while the machine sleeps, and the clock may be set:
/// so often the loop looks at it again.
const LONGEST_SLEEP_MS: u64 = 10_000;

/// Answers of at least this many bytes are handled on a thread for blocking work.
const LONG_ANSWER: usize = 64 << 10;

/// Drives a client until it is closed. Several may be started; one drives, the others wait to take over.
///
/// May be dropped at any await: requests that are under way then count as failed, and the engine tries them again.
///
/// # Errors
/// [`Config`](ErrorKind::Config) when there is no way to wait here.
pub(crate) async fn drive(shared: Arc<Shared>) -> Result<()> {
    if !shared.clock.can_sleep() {
        return Err(Error::new(
            ErrorKind::Config,
            "the sync loop needs a timer: run it on a tokio runtime with the feature `http-client`, or give the client \
             a clock with `.clock(..)`",
        ));
    }
    let _first = shared.driver.lock().await;
    let mut flights = Flights { shared: shared.clone(), under_way: Vec::new() };
    let mut seen = shared.clock.now_ms();
    let mut look_at = shared.watch_file_ms.map(|ms| after(seen, ms));
    while !shared.is_closed() {
        match flights.during(take_event(&shared)).await {
            Taken::Nothing => {}
            Taken::One => continue,
            Taken::Closed => break,
        }
        let next = lock(&shared.agenda).sends.pop_front();
        if let Some(next) = next {
            flights.start(next);
            continue;
        }
        let now = shared.clock.now_ms();
        // When the clock was set back, the engine plans anew: what it had asked for may be a day away now.
        let back = now < seen;
        if back {
            look_at = shared.watch_file_ms.map(|ms| after(now, ms));
        }
        seen = now;
        let due = {
            let mut agenda = lock(&shared.agenda);
            let due = back || agenda.wake_at.is_some_and(|at| at <= now);
            if due {
                agenda.wake_at = None;
                agenda.events.push_back(Event::Tick);
            }
            due
        };
        if due {
            continue;
        }
        if let (Some(at), Some(every)) = (look_at, shared.watch_file_ms)
            && at <= now
        {
            look_at = Some(after(now, every));
            if ended(shared.turn(|core| shared.look_at_file(core)).await) {
                break;
            }
            continue;
        }
        let deadline = [lock(&shared.agenda).wake_at, look_at].into_iter().flatten().min();
        flights.wait(deadline, now).await;
    }
    Ok(())
}

/// What became of the events that wait.
enum Taken {
    Nothing,
    One,
    Closed,
}

/// Gives the engine the oldest event that waits. It is taken off only once the engine has the turn, so that a loop that
/// is dropped here loses nothing.
async fn take_event(shared: &Arc<Shared>) -> Taken {
    let long = match lock(&shared.agenda).events.front() {
        None => return Taken::Nothing,
        // An image is checked as a whole, and copied when a page that may be short ends its set.
        Some(Event::Response { outcome: Ok(answer), .. }) if answer.header(IMAGE_HASH_HEADER).is_some() => {
            shared.image_came.store(true, Ordering::Relaxed);
            true
        }
        Some(Event::Response { outcome: Ok(answer), .. }) => {
            answer.body.len() >= LONG_ANSWER || shared.image_came.load(Ordering::Relaxed)
        }
        Some(Event::Tick) => shared.staging.swap(false, Ordering::Relaxed),
        Some(_) => false,
    };
    let take = |shared: &Shared, core: &mut Core| {
        let event = lock(&shared.agenda).events.pop_front();
        match event {
            None => Ok(()),
            Some(Event::Response { request, outcome }) => shared.answer(core, request, outcome),
            Some(event) => shared.event(core, event).map(drop),
        }
    };
    let taken = if long { shared.long_turn(take).await } else { shared.turn(|core| take(shared, core)).await };
    if ended(taken) { Taken::Closed } else { Taken::One }
}

/// Whether the engine is closed. Its other failures it has reported itself, and it has asked to be woken.
fn ended(step: Result<()>) -> bool {
    match step {
        Ok(()) => false,
        Err(error) if error.kind() == ErrorKind::Closed => true,
        Err(error) => {
            tracing::warn!(%error, "a step of the sync loop failed");
            false
        }
    }
}

fn after(now: i64, ms: u64) -> i64 {
    now.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// The requests under way. Dropped with some left, it leaves word that they failed.
struct Flights {
    shared: Arc<Shared>,
    under_way: Vec<(u64, BoxFuture<'static, Result<WireResponse, SendFailure>>)>,
}

impl Flights {
    fn start(&mut self, outgoing: Outgoing) {
        // What the engine no longer waits for (a held pull that a fresh one replaces) ends here.
        let awaited = |request: &u64| lock(&self.shared.agenda).flights.contains_key(request);
        self.under_way.retain(|(request, _)| awaited(request));
        if !awaited(&outgoing.request) {
            return;
        }
        self.under_way.push((outgoing.request, Box::pin(fly(self.shared.clone(), outgoing))));
    }

    /// Waits until an answer comes, the loop is woken, or `deadline` (unix ms) is there. Answers are left as events.
    async fn wait(&mut self, deadline: Option<i64>, now: i64) {
        let left = deadline.map_or(LONGEST_SLEEP_MS, |at| u64::try_from(at.saturating_sub(now)).unwrap_or(0));
        let mut sleep = self.shared.clock.sleep(left.clamp(1, LONGEST_SLEEP_MS));
        let shared = self.shared.clone();
        let mut woken = pin!(shared.wake.notified());
        poll_fn(|cx| {
            let happened = woken.as_mut().poll(cx).is_ready() || sleep.as_mut().poll(cx).is_ready();
            if self.poll(cx) || happened { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Lets the requests go on while something else is done.
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.poll(cx);
            work.as_mut().poll(cx)
        })
        .await
    }

    /// Lets the requests go on; true when one was answered.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let mut answered = false;
        self.under_way.retain_mut(|(request, flight)| match flight.as_mut().poll(cx) {
            Poll::Pending => true,
            Poll::Ready(outcome) => {
                lock(&self.shared.agenda).events.push_back(Event::Response { request: *request, outcome });
                answered = true;
                false
            }
        });
        answered
    }
}

impl Drop for Flights {
    fn drop(&mut self) {
        let mut agenda = lock(&self.shared.agenda);
        for (request, _) in self.under_way.drain(..) {
            let outcome = Err(SendFailure::new("the sync loop was stopped while the request was under way"));
            agenda.events.push_back(Event::Response { request, outcome });
        }
        drop(agenda);
        // Another loop may be waiting to take over.
        self.shared.wake.notify_one();
    }
}

/// Sends one request, with the application's credentials, within its time.
async fn fly(shared: Arc<Shared>, outgoing: Outgoing) -> Result<WireResponse, SendFailure> {
    let Some(network) = &shared.network else {
        return Err(SendFailure::new("the client was opened without a server"));
    };
    let wait = if outgoing.to.is_some() { IMAGE_MS } else { outgoing.wire.hold_ms() };
    let limit = network.timeout_ms.saturating_add(wait);
    let request = async {
        let headers = match &network.auth {
            Some(auth) => auth.headers(outgoing.refresh_auth).await,
            None => Ok(Headers::new()),
        };
        let headers = headers
            .and_then(|headers| headers.check().map(|()| headers))
            .map_err(|error| SendFailure::new(format!("the credentials could not be had: {error}")))?;
        match &outgoing.to {
            Some(to) => network.transport.download(outgoing.wire, headers, to).await,
            None => network.transport.send(outgoing.wire, headers).await,
        }
    };
    let mut request = pin!(request);
    let mut timer = shared.clock.sleep(limit);
    poll_fn(|cx| {
        if let Poll::Ready(answer) = request.as_mut().poll(cx) {
            return Poll::Ready(answer);
        }
        timer.as_mut().poll(cx).map(|()| Err(SendFailure::new(format!("no answer within {limit} ms"))))
    })
    .await
}

/// How long a file may be under way, ms. A transport notices sooner when nothing moves any more.
const IMAGE_MS: u64 = 3_600_000;
