//! Upkeep over a pool: a task that takes small steps, and rests between them.

use std::fmt;
use std::sync::Weak;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::pooled::Pooled;
use crate::error::Result;
use crate::server::Upkeep;

/// How often it is looked whether a round is due. Leases are told as often.
const LOOK: Duration = Duration::from_secs(60);
/// After a step it rests for so many times as long.
const REST: u32 = 3;

/// The task, ended with this value.
pub(super) struct UpkeepTask(JoinHandle<()>);

impl fmt::Debug for UpkeepTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpkeepTask")
    }
}

impl Drop for UpkeepTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl UpkeepTask {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that spawns")]
    pub(super) fn start(pooled: Weak<Pooled>) -> Self {
        UpkeepTask(tokio::spawn(run(pooled)))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the adapter that waits")]
async fn run(pooled: Weak<Pooled>) {
    let mut due_ms = i64::MIN;
    loop {
        sleep(LOOK).await;
        let Some(pooled) = pooled.upgrade() else { return };
        if let Err(error) = pooled.publish_leases().await {
            pooled.engine().report_upkeep(Err(error));
        }
        if pooled.now() < due_ms {
            continue;
        }
        let mut upkeep = pooled.engine().upkeep();
        let round = round(&pooled, &mut upkeep).await;
        // One that failed is tried again with the next look.
        if round.is_ok() {
            due_ms = pooled.now().saturating_add(pooled.engine().options().upkeep_every_ms);
        }
        pooled.engine().report_upkeep(round.map(|()| upkeep.done()));
    }
}

/// Takes all steps of a round.
#[expect(clippy::disallowed_methods, reason = "this is the adapter that waits")]
pub(super) async fn round(pooled: &Pooled, upkeep: &mut Upkeep) -> Result<()> {
    loop {
        let (more, took) = pooled.upkeep_step(upkeep).await?;
        if !more {
            return Ok(());
        }
        sleep(took * REST).await;
    }
}
