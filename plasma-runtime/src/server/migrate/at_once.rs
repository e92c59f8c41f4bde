//! A migration over one connection, for who has no clock.

use super::run::{Migrated, Run};
use super::step::{Named, Step};
use crate::error::Result;
use crate::future::ready;
use crate::inputs::Entropy;
use crate::server::ServerEngine;
use crate::store::SqlExecutor;

impl ServerEngine {
    /// Runs a migration to this engine's schema with these steps, each with its name; nobody is waited for in between.
    ///
    /// # Errors
    /// [`MigrationRefused`](crate::ErrorKind::MigrationRefused) when a change needs a step that is not there;
    /// [`Storage`](crate::ErrorKind::Storage) when the database fails: the next run goes on.
    pub(crate) async fn migrate(
        &self,
        db: &mut dyn SqlExecutor,
        steps: &[(String, Step)],
        now_ms: i64,
        entropy: &mut dyn Entropy,
    ) -> Result<Migrated> {
        let steps: Vec<Named> =
            steps.iter().map(|(name, step)| Named { name: name.clone(), step: step.clone() }).collect();
        let pause = &mut || ready(());
        let mut run =
            Run { engine: self, db, steps: &steps, keeps_left_over: false, rehearsal: false, now_ms, entropy, pause };
        run.run().await
    }
}
