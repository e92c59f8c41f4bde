//! Between the hub of a process and the bus.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{Announcement, Hub, PokeBus};
use crate::error::{Error, ErrorKind};
use crate::server::{ServerEngine, ServerError, ServerErrorKind};

/// How long a text may be under way to the bus.
const PUBLISH_TIME: Duration = Duration::from_secs(5);
/// How long it may take to subscribe.
const SUBSCRIBE_TIME: Duration = Duration::from_secs(10);
/// The waits between two tries to subscribe.
const REST: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Two tasks, ended with this value: one announces, one listens.
pub(in crate::server) struct Relay([JoinHandle<()>; 2]);

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Relay")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Relay {
    /// Starts both. `name` is this process's among all of the bus.
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that spawns")]
    pub(in crate::server) fn start(
        engine: Arc<ServerEngine>,
        hub: Arc<Hub>,
        bus: Arc<dyn PokeBus>,
        name: String,
    ) -> Self {
        let announcing = announce(Arc::clone(&engine), Arc::clone(&hub), Arc::clone(&bus), name.clone());
        Relay([tokio::spawn(announcing), tokio::spawn(listen(engine, hub, bus, name))])
    }
}

async fn announce(engine: Arc<ServerEngine>, hub: Arc<Hub>, bus: Arc<dyn PokeBus>, from: String) {
    let mut fails = false;
    loop {
        let groups = hub.unannounced().await;
        let text = Announcement { from: from.clone(), groups }.to_text(bus.max_bytes());
        let published = timeout(PUBLISH_TIME, bus.publish(&text)).await;
        let failed = published.unwrap_or_else(|_| Err(silent())).err();
        let failed_now = failed.is_some();
        // One report an outage: every commit fails alike.
        match failed {
            Some(error) if !fails => report(&engine, error),
            _ => {}
        }
        fails = failed_now;
    }
}

#[expect(clippy::disallowed_methods, reason = "between two tries to subscribe it waits")]
async fn listen(engine: Arc<ServerEngine>, hub: Arc<Hub>, bus: Arc<dyn PokeBus>, own: String) {
    let mut rest = REST.0;
    let mut fails = false;
    loop {
        let subscribed = timeout(SUBSCRIBE_TIME, bus.subscribe()).await;
        let subscribed = subscribed.unwrap_or_else(|_| Err(silent()));
        let error = match subscribed {
            Err(error) => error,
            Ok(mut subscription) => {
                (rest, fails) = (REST.0, false);
                // Whatever was said until now was missed.
                hub.heard(BTreeSet::new());
                loop {
                    match subscription.next().await {
                        Ok(text) => match Announcement::from_text(&text) {
                            Some(announcement) if announcement.from == own => {}
                            Some(announcement) => hub.heard(announcement.groups),
                            // Of a later version: something happened.
                            None => hub.heard(BTreeSet::new()),
                        },
                        Err(error) => break error,
                    }
                }
            }
        };
        if !std::mem::replace(&mut fails, true) {
            report(&engine, error);
        }
        sleep(rest).await;
        rest = (rest * 2).min(REST.1);
    }
}

fn silent() -> Error {
    Error::new(ErrorKind::Fault, "the poke bus does not answer")
}

fn report(engine: &ServerEngine, error: Error) {
    engine.options().hooks.report(&ServerError::new(ServerErrorKind::Internal, error));
}
