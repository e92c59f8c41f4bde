//! Pokes: who must look at the database again because something was committed.
//!
//! A poke carries no data and may be lost: whoever waits looks again from time to time all the same. Inside a process the
//! [`Hub`] hands pokes on; between the processes of one database a [`PokeBus`] does.

mod announcement;
mod bus;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "http-server")]
mod relay;
#[cfg(all(test, feature = "http-server"))]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

pub use announcement::Announcement;
pub use bus::{PokeBus, Subscription};
#[cfg(feature = "nats")]
pub use nats::NatsPokes;
#[cfg(feature = "postgres")]
pub use postgres::PostgresPokes;
#[cfg(feature = "redis")]
pub use redis::RedisPokes;
#[cfg(feature = "http-server")]
pub(super) use relay::Relay;
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Notify, watch};

/// A commit that may concern others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Poke {
    /// One more for every poke.
    pub sequence: u64,
    /// The groups whose clients wrote. Empty when another program did, or nobody knows. What they wrote may concern any
    /// group.
    pub groups: BTreeSet<String>,
}

/// Hands on the pokes of one process: to those that wait in it, and to the bus when there is one.
#[derive(Default)]
pub(super) struct Hub {
    pokes: watch::Sender<Poke>,
    /// What the bus was not told yet; none while there is nothing. Only kept when somebody takes it.
    unannounced: Mutex<Option<BTreeSet<String>>>,
    announce: Notify,
    has_bus: bool,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("bus", &self.has_bus).field("waiting", &self.pokes.receiver_count()).finish()
    }
}

impl Hub {
    /// `has_bus`: somebody takes what is to be announced.
    pub(super) fn new(has_bus: bool) -> Self {
        Hub { has_bus, ..Hub::default() }
    }

    /// The pokes: the newest is kept, older ones are forgotten.
    pub(super) fn subscribe(&self) -> watch::Receiver<Poke> {
        self.pokes.subscribe()
    }

    /// Whether anybody waits for a poke.
    pub(super) fn is_heard(&self) -> bool {
        self.pokes.receiver_count() > 0
    }

    /// This process committed something of these groups (none: nobody knows whose): everybody is to hear of it.
    pub(super) fn committed(&self, groups: BTreeSet<String>) {
        if self.has_bus {
            let mut unannounced = self.unannounced.lock().unwrap_or_else(PoisonError::into_inner);
            *unannounced = Some(match unannounced.take() {
                None => groups.clone(),
                // One that nobody knows the groups of is about all of them.
                Some(before) if before.is_empty() || groups.is_empty() => BTreeSet::new(),
                Some(mut before) => {
                    before.extend(groups.iter().cloned());
                    before
                }
            });
            drop(unannounced);
            self.announce.notify_one();
        }
        self.heard(groups);
    }

    /// Something was committed somewhere: those that wait in this process are to hear of it.
    pub(super) fn heard(&self, groups: BTreeSet<String>) {
        self.pokes.send_modify(|poke| *poke = Poke { sequence: poke.sequence + 1, groups });
    }

    /// What is to be announced, as soon as there is something. What comes together is announced together.
    #[cfg(feature = "http-server")]
    async fn unannounced(&self) -> BTreeSet<String> {
        loop {
            if let Some(groups) = self.unannounced.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return groups;
            }
            self.announce.notified().await;
        }
    }
}
