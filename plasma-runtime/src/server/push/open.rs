//! How a transaction begins on Postgres: with all that is known of it before.

use std::collections::BTreeMap;

use super::close::Units;
use super::group::{Group, Lost};
use super::work::Work;
use crate::query::lower::Dialect;
use crate::server::JOBS;
use crate::server::ddl::first_int;
use crate::server::ledger::{self, Stored, unit};
use crate::server::migrate::{EPOCH, READ_EPOCH};
use crate::store::{SqlExecutor as _, SqlStep};
use crate::value::{Kind, Value};

impl Group<'_> {
    /// Mutations of one push in one transaction.
    pub(super) fn most(&self) -> usize {
        match self.db.dialect() {
            Dialect::Sqlite => usize::MAX,
            Dialect::Postgres if self.terms.alone => 1,
            Dialect::Postgres => self.engine.options().concurrency.mutations.max(1),
        }
    }

    /// Begins a transaction on Postgres: one journey for all that is known of it before.
    pub(super) async fn open(&mut self, work: &Work<'_>) -> Result<(), Lost> {
        self.known = Some(if self.terms.look_up { self.known_before(work).await? } else { BTreeMap::new() });
        let begin = self.engine.options().concurrency.begin(Dialect::Postgres, self.terms.in_turn);
        let epoch = [Value::from(EPOCH)];
        let mut steps = vec![SqlStep::Batch(begin), SqlStep::Query(READ_EPOCH, &epoch, &[Kind::BigInt])];
        let (client, many) = match work {
            Work::Push(job) => {
                let many = job.request.mutations.len().min(self.most());
                ([Value::from(job.request.client_id.as_str())], [Value::Int(many as i64)])
            }
            Work::Task(_) => {
                // Whoever wrote it would notice a second run.
                self.db.be_eager();
                ([Value::Null], [Value::Null])
            }
        };
        if let Work::Push(_) = work {
            steps.push(SqlStep::Query(ledger::LOCK, &client, ledger::ENTRY));
            steps.push(SqlStep::Query(unit::DRAW_POSTGRES, &many, &[Kind::BigInt]));
        }
        let mut rows = self.db.run_all(&steps).await?.into_iter().skip(1);
        let epoch = rows.next().and_then(|rows| first_int(&rows)).unwrap_or(0);
        self.engine.fits_at(&mut self.db, epoch).await?;
        self.entry = rows.next().map(ledger::read);
        self.units = Units::drawn(rows.next().unwrap_or_default());
        Ok(())
    }

    /// Which keys were issued before. Looked up outside of the transaction: inside of one that is serializable, it would
    /// be a read of keys that others are just writing, and put every two pushes in each other's way. A key that is
    /// committed in between is found by the index on it ([`unit::finish`] fails, and the transaction runs again).
    async fn known_before(&mut self, work: &Work<'_>) -> Result<BTreeMap<String, Stored>, Lost> {
        Ok(match work {
            Work::Push(job) => {
                let last = self.terms.committed.last().map_or(0, |result| result.id);
                let left = job.request.mutations.iter().filter(|mutation| mutation.id > last);
                let keys: Vec<&str> = left.map(|mutation| mutation.key.as_str()).collect();
                ledger::outcomes_by_key(&mut self.db, &job.caller.group, &keys).await?
            }
            Work::Task(task) => match task.key.map(|key| key.to_string()) {
                Some(key) => ledger::outcomes_by_key(&mut self.db, JOBS, &[&key]).await?,
                None => BTreeMap::new(),
            },
        })
    }

    /// Which of these keys were issued before.
    pub(super) async fn known(&mut self, group: &str, keys: &[&str]) -> Result<BTreeMap<String, Stored>, Lost> {
        match self.known.take() {
            Some(known) => Ok(known),
            None => Ok(ledger::outcomes_by_key(&mut self.db, group, keys).await?),
        }
    }
}
