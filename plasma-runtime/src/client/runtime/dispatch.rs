//! The order in which the application hears of things: one queue, one runner at a time, outside of every lock.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::panic_message;
use crate::future::MaybeSend;

/// Locks a mutex whose holder may have panicked: every critical section here leaves its data whole.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something to tell the application.
pub(crate) trait Job: MaybeSend {
    /// Tells it.
    fn run(self: Box<Self>);
}

impl<F: FnOnce() + MaybeSend> Job for F {
    fn run(self: Box<Self>) {
        self();
    }
}

/// The queue of what the application is to be told.
///
/// Whoever has queued something calls [`drain`](Self::drain); one caller runs the jobs of all, in order. A job that
/// leads to further jobs (a callback that mutates) leaves them to the runner: they run after it, never inside it.
#[derive(Default)]
pub(crate) struct Dispatcher {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Box<dyn Job>>,
    running: bool,
}

impl Dispatcher {
    /// Appends a job. It runs at the next [`drain`](Self::drain).
    pub(crate) fn push(&self, job: impl Job + 'static) {
        lock(&self.state).jobs.push_back(Box::new(job));
    }

    /// Runs what is queued, unless somebody is at it already. `on_panic` hears of jobs that panicked; the others run all
    /// the same.
    pub(crate) fn drain(&self, on_panic: &dyn Fn(String)) {
        {
            let mut state = lock(&self.state);
            if state.running {
                return;
            }
            state.running = true;
        }
        loop {
            let job = {
                let mut state = lock(&self.state);
                match state.jobs.pop_front() {
                    Some(job) => job,
                    None => {
                        state.running = false;
                        return;
                    }
                }
            };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job.run())) {
                // The handler is the application's too: a second panic ends here.
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    on_panic(panic_message(&*panic).unwrap_or("a panic without a message").to_owned())
                }));
            }
        }
    }
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = lock(&self.state);
        f.debug_struct("Dispatcher").field("queued", &state.jobs.len()).field("running", &state.running).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn jobs_run_in_order_and_never_inside_each_other() {
        let queue = Arc::new(Dispatcher::default());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let inner = (queue.clone(), seen.clone());
        queue.push(move || {
            let (queue, seen) = inner;
            lock(&seen).push("first begins");
            let nested = seen.clone();
            queue.push(move || lock(&nested).push("third"));
            queue.drain(&|_| unreachable!("nothing panics"));
            lock(&seen).push("first ends");
        });
        let second = seen.clone();
        queue.push(move || lock(&second).push("second"));
        queue.drain(&|_| unreachable!("nothing panics"));
        assert_eq!(*lock(&seen), ["first begins", "first ends", "second", "third"]);
    }

    #[test]
    fn a_panic_is_reported_and_stops_nothing() {
        let queue = Dispatcher::default();
        let ran = Arc::new(Mutex::new(0));
        queue.push(|| panic!("callback {}", 7));
        let after = ran.clone();
        queue.push(move || *lock(&after) += 1);
        let heard = Mutex::new(Vec::new());
        queue.drain(&|text| lock(&heard).push(text));
        assert_eq!((*lock(&ran), lock(&heard).as_slice()), (1, &["callback 7".to_owned()][..]));
        queue.drain(&|_| unreachable!("nothing is left"));
    }
}
