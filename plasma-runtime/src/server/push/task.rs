//! Tasks of the server itself, run as mutations are.

use uuid::Uuid;

use super::group::{Group, Lost};
use super::mutator;
use super::one::{Body, Ran, again};
use super::work::Task;
use crate::error::{Error, Result};
use crate::mutate::{Location, Reason, TxMeta};
use crate::protocol::MutationStatus;
use crate::server::JOBS;
use crate::server::executor::Plans;
use crate::server::ledger::unit::{self, Who};
use crate::server::ledger::{self, Stored};

impl Group<'_> {
    /// One task of the server. A job with a key is a mutation of the reserved client.
    pub(super) async fn task(&mut self, task: &Task) -> Result<Result<()>, Lost> {
        let mut plans = Plans::default();
        let Some(key) = task.key else {
            let key = self.random_key();
            let meta = self.task_meta(key);
            let ran = self.run_one(task.ctx.as_deref(), &mut plans, &meta, None, Body::Task(&*task.run)).await?;
            self.head = unit::head(&mut self.db).await?;
            return Ok(match ran {
                Ran::Applied => Ok(()),
                Ran::Rejected(error) | Ran::Fault(error) => Err(error),
            });
        };
        let text = key.to_string();
        if let Some(stored) = self.known(JOBS, &[&text]).await?.remove(&text) {
            return Ok(match stored.error {
                None => Ok(()),
                Some(error) => {
                    let again = Error::rejected(error.code, error.message);
                    Err(match error.data {
                        Some(data) => again.with_data(data),
                        None => again,
                    })
                }
            });
        }
        let id = ledger::lock(&mut self.db, JOBS, JOBS, self.now).await?.map_or(0, |entry| entry.last) + 1;
        let meta = self.task_meta(key);
        let at = |lost: Lost| Lost { at: Some(lost.at.unwrap_or(id)), ..lost };
        let who = Who { group: JOBS, client: JOBS, mutation: id };
        let ran = self.run_one(task.ctx.as_deref(), &mut plans, &meta, Some(who), Body::Task(&*task.run)).await;
        let (status, error) = match ran.map_err(at)? {
            Ran::Applied => (MutationStatus::Applied, None),
            Ran::Rejected(error) => (MutationStatus::Rejected, Some(error)),
            Ran::Fault(error) if self.may_be_known() => return Err(again(error)),
            Ran::Fault(error) => return Ok(Err(error)),
        };
        let stored = Stored { key: text, status, error: error.as_ref().map(mutator::wire_error), effects: None };
        let position = self.store(JOBS, JOBS, id, &stored, false, error.is_none()).await?;
        ledger::advance(&mut self.db, JOBS, JOBS, id, position, self.now).await?;
        Ok(error.map_or(Ok(()), Err))
    }

    fn task_meta(&self, key: Uuid) -> TxMeta {
        let mut meta = TxMeta::new(Location::Server, Reason::Authoritative, key, self.now);
        meta.received_at = Some(self.now);
        meta.crdt = self.engine.options().crdt_rules();
        meta
    }

    fn random_key(&mut self) -> Uuid {
        let mut bytes = [0u8; 16];
        self.entropy.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}
