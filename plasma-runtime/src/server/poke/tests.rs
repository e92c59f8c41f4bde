//! Between a hub, a bus that fails on demand, and the other processes.

#[cfg(all(unix, any(feature = "redis", feature = "nats")))]
mod real;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::timeout;

use super::{Announcement, Hub, PokeBus, Relay, Subscription};
use crate::error::{Error, Result};
use crate::future::BoxFuture;
use crate::server::tests::fixture::definition;
use crate::server::{ServerEngine, ServerOptions};

/// A bus in memory.
#[derive(Debug)]
struct Wire {
    sent: broadcast::Sender<String>,
    /// Nothing passes.
    cut: AtomicBool,
    subscriptions: AtomicU32,
}

struct Ear(broadcast::Receiver<String>);

impl Subscription for Ear {
    fn next(&mut self) -> BoxFuture<'_, Result<String>> {
        Box::pin(async { self.0.recv().await.map_err(Error::fault) })
    }
}

impl PokeBus for Wire {
    fn publish<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if self.cut.load(Ordering::SeqCst) {
                return Err(Error::fault("cut"));
            }
            let _ = self.sent.send(text.to_owned());
            Ok(())
        })
    }

    fn subscribe(&self) -> BoxFuture<'_, Result<Box<dyn Subscription>>> {
        Box::pin(async move {
            // The first two tries fail.
            if self.subscriptions.fetch_add(1, Ordering::SeqCst) < 2 {
                return Err(Error::fault("not yet"));
            }
            Ok(Box::new(Ear(self.sent.subscribe())) as Box<dyn Subscription>)
        })
    }
}

fn groups(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn process(bus: &Arc<Wire>, name: &str, errors: &Arc<AtomicU32>) -> (Arc<Hub>, Relay) {
    let mut options = ServerOptions::default();
    let heard = Arc::clone(errors);
    options.hooks.on_error = Some(Arc::new(move |_| {
        heard.fetch_add(1, Ordering::SeqCst);
    }));
    let engine = Arc::new(ServerEngine::new(definition(), options).unwrap());
    let hub = Arc::new(Hub::new(true));
    let relay = Relay::start(engine, Arc::clone(&hub), Arc::<Wire>::clone(bus), name.to_owned());
    (hub, relay)
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_one_process_is_heard_in_the_others_and_not_echoed() {
    let bus = Arc::new(Wire {
        sent: broadcast::channel(16).0,
        cut: AtomicBool::new(false),
        subscriptions: AtomicU32::new(0),
    });
    let errors = Arc::new(AtomicU32::new(0));
    let (one, _relay) = process(&bus, "one", &errors);
    let (two, _other) = process(&bus, "two", &errors);
    let (mut at_one, mut at_two) = (one.subscribe(), two.subscribe());
    // A subscription tells everybody once: something may have been missed.
    for heard in [&mut at_one, &mut at_two] {
        timeout(Duration::from_secs(60), heard.changed()).await.unwrap().unwrap();
        assert_eq!(heard.borrow_and_update().groups, groups(&[]));
    }
    assert_eq!(errors.load(Ordering::SeqCst), 2, "each process tells of its outage once, or not at all");
    one.committed(groups(&["alice"]));
    timeout(Duration::from_secs(60), at_two.changed()).await.unwrap().unwrap();
    assert_eq!(at_two.borrow_and_update().groups, groups(&["alice"]));
    // The sender heard of it once, from itself.
    timeout(Duration::from_secs(60), at_one.changed()).await.unwrap().unwrap();
    let sequence = at_one.borrow_and_update().sequence;
    bus.sent.send(Announcement { from: "one".to_owned(), groups: groups(&[]) }.to_text(200)).unwrap();
    // What cannot be read says that something happened; it comes after the echo, so the echo was not heard.
    bus.sent.send("of a later version".to_owned()).unwrap();
    timeout(Duration::from_secs(60), at_one.changed()).await.unwrap().unwrap();
    let poke = at_one.borrow_and_update().clone();
    assert_eq!((poke.sequence, poke.groups), (sequence + 1, groups(&[])));
    // A bus that is cut loses pokes, says so once, and nothing waits for it.
    bus.cut.store(true, Ordering::SeqCst);
    at_two.borrow_and_update();
    for _ in 0..3 {
        one.committed(groups(&["bob"]));
        tokio::task::yield_now().await;
    }
    bus.cut.store(false, Ordering::SeqCst);
    one.committed(groups(&["carol"]));
    timeout(Duration::from_secs(60), at_two.wait_for(|poke| poke.groups.contains("carol"))).await.unwrap().unwrap();
    assert!(errors.load(Ordering::SeqCst) <= 3, "{errors:?}");
}

#[test]
fn what_comes_together_is_announced_together() {
    let hub = Hub::new(true);
    hub.committed(groups(&["a"]));
    hub.committed(groups(&["b", "c"]));
    assert_eq!(crate::future::poll_once(Box::pin(hub.unannounced())), Some(groups(&["a", "b", "c"])));
    assert_eq!(crate::future::poll_once(Box::pin(hub.unannounced())), None);
    // A write that nobody knows the group of is about all groups, whatever comes with it.
    for order in [["", "a"], ["a", ""]] {
        for group in order {
            hub.committed(if group.is_empty() { groups(&[]) } else { groups(&[group]) });
        }
        assert_eq!(crate::future::poll_once(Box::pin(hub.unannounced())), Some(groups(&[])));
    }
    // Without a bus nothing is kept.
    let alone = Hub::new(false);
    alone.committed(groups(&["a"]));
    assert_eq!(crate::future::poll_once(Box::pin(alone.unannounced())), None);
}
