//! The engine's side of a new client id.

use super::Engine;
use super::response::Which;
use crate::client::event::{Action, ClientErrorKind, Inputs};
use crate::client::rotate::{self, Rotation};
use crate::error::{Error, Result};
use crate::mutate::ErasedCtx;
use crate::store::SqlConnection;

impl Engine {
    /// Takes a new client id, issues the outbox again, and goes on at once.
    pub(super) fn rotate(
        &mut self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        rotation: Rotation,
        inputs: &mut Inputs<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<()> {
        let (now, retention) = (inputs.now, self.options.key_retention_ms);
        let learned = self
            .rebase(store, ctx, actions, |rebase| rotate::rotate(rebase, rotation, retention, now, inputs.entropy))?;
        let (code, message) = match rotation {
            Rotation::Forked => {
                ("client-forked", "the store was copied or restored: it goes on under a new client id".to_owned())
            }
            Rotation::Expired => {
                ("client-expired", "the server had retired this client: it goes on under a new client id".to_owned())
            }
            Rotation::Lost { from } => (
                "lost-by-server",
                format!("the server lost what it had acknowledged, from mutation {from} on: the store pulls anew"),
            ),
        };
        self.report(ClientErrorKind::PushHttp, Error::rejected(code, message), now, actions);
        self.tell_outcomes(learned, actions);
        // Requests under way were made under the old id: their answers are not for us.
        self.push.in_flight = None;
        self.pull.in_flight = None;
        self.at_head = false;
        // A server that answers every id so must not be asked in a tight loop.
        for which in [Which::Push, Which::Pull] {
            self.retry_at_once(which, now);
        }
        self.rotations = self.rotations.saturating_add(1);
        if self.rotations > 3 {
            let until = self.push.failed(now, None, &self.options, inputs.entropy);
            self.pull.not_before = until;
            // Neither by hand: what is forced would not wait.
            self.push.forced = false;
            self.pull.forced = false;
            self.push.trouble = Some(crate::client::status::Stuck::Backoff { until });
        }
        Ok(())
    }
}
